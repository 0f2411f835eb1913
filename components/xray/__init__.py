"""What only the X-ray reading room shows."""
