"""One HTML file that says what a fit or a diagnosis found, to be read, printed and passed on."""

from steepest.report.door import check_report, write_report

__all__ = ["check_report", "write_report"]
