"""What the columns of published values are, and where the values come from."""

from pipeline.report.language import mark

SOURCES = {
    mark("Book"): mark(
        "The book's page for PyTorch (Dive into Deep Learning 1.x, section Minibatch Stochastic Gradient Descent, "
        "after its timer was mended): final loss and seconds per epoch. Read as others quote them."
    ),
    mark("Notebooks"): mark(
        "Readers' notebooks of the time of the 0.16 and 0.17 editions: final losses. Their seconds are left "
        "out, because the timer of those editions gave the time between two evaluations."
    ),
    mark("Authors"): mark(
        "30 runs stored by the authors in the history of the book's second edition (8 PyTorch, 7 MXNet, "
        "6 TensorFlow, 9 JAX): the mean final loss."
    ),
    mark("1000 seeds"): mark(
        "Mean and, where it is known, standard deviation of the final loss over 1000 seeds (4000 for exercise 3) of "
        "the textbook's protocol in plain PyTorch, on the measured table."
    ),
}
