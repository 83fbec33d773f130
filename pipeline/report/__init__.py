"""The report: one self-contained HTML page about some studies.

:mod:`~pipeline.report.rows` makes the table of cells, :mod:`~pipeline.report.facts` the sentences,
:mod:`~pipeline.report.verdicts` reads those of the claims,
:mod:`pipeline.lab.published` knows what others have published, :mod:`~pipeline.lab.machine` what
this machine is, and :mod:`~pipeline.report.page` puts them into the template.
"""
