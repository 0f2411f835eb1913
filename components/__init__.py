"""The pieces that pages are made of; all of Streamlit's widgets and caches are here."""
