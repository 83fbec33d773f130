"""An audit of how people find a batch size and a learning rate, against the best that was measured.

The study ``landscape`` trains every cell of six problems with many seeds. The first of these seeds are for searching:
what samples or races cells looks its runs up, which is the same as training them. Those after them, which no method
sees, choose the measured best. The last ones judge: every setting that was found is trained with them, so that nobody
is praised for a lucky seed, the measured best included.
"""
