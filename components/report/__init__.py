"""The one-page report of a film: what was asked, what the model said, and how far to trust it."""

from components.report.contents import MAX_MAPS, Report, ReportMap
from components.report.pdf import report_pdf, report_png

__all__ = ["MAX_MAPS", "Report", "ReportMap", "report_pdf", "report_png"]
