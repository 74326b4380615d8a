"""An executed notebook as one offline page that can be mailed."""

from sslens.headless.report.pictures import with_pictures
from sslens.headless.report.write import write_report

__all__ = ["with_pictures", "write_report"]
