"""The chapter's products and runs in PyTorch, op by op, as the chapter's PyTorch tab does."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pipeline.contrib.frameworks.harness import BLOCK, Contender, Product, run_script
from pipeline.contrib.frameworks.problem import Problem, Run


def products(problem: Problem) -> list[Product]:
    """The four products."""
    B, C = torch.from_numpy(problem.B), torch.from_numpy(problem.C)
    n = len(B)

    def element(rows: int = n) -> torch.Tensor:
        """Element by element."""
        A = torch.zeros(n, n)
        for i in range(rows):
            for j in range(n):
                A[i, j] = torch.dot(B[i, :], C[:, j])
        return A

    def column() -> torch.Tensor:
        """Column by column."""
        A = torch.zeros(n, n)
        for j in range(n):
            A[:, j] = torch.mv(B, C[:, j])
        return A

    def block() -> torch.Tensor:
        """In blocks of columns."""
        A = torch.zeros(n, n)
        for j in range(0, n, BLOCK):
            A[:, j : j + BLOCK] = torch.mm(B, C[:, j : j + BLOCK])
        return A

    return [
        Product("element", "eager", element, lambda: element(2)),
        Product("column", "eager", column),
        Product("whole", "eager", lambda: torch.mm(B, C)),
        Product(f"block {BLOCK}", "eager", block),
    ]


class _Regression:
    """What both versions share."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.X, self.y = torch.from_numpy(problem.X), torch.from_numpy(problem.y)

    def minibatches(self, order: NDArray[np.int64], batch_size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Permute once, then slice."""
        rows = torch.from_numpy(order)
        X, y = self.X.index_select(0, rows), self.y.index_select(0, rows)
        return zip(X.split(batch_size), y.split(batch_size), strict=True)

    def wait(self) -> None:
        """Nothing to wait for: on the CPU an operation returns when it is done."""


class Scratch(_Regression):
    """Autograd's gradients, an update by hand."""

    def __init__(self, problem: Problem, run: Run) -> None:
        super().__init__(problem)
        self.lr = run.lr
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        self.w = torch.from_numpy(self.problem.w.copy()).requires_grad_()
        self.b = torch.from_numpy(self.problem.b.copy()).requires_grad_()

    def step(self, X: torch.Tensor, y: torch.Tensor) -> None:
        """Update once."""
        (((X @ self.w + self.b - y) ** 2) / 2).mean().backward()
        for p in (self.w, self.b):
            if p.grad is not None:
                p.data.sub_(self.lr * p.grad)
                p.grad.data.zero_()

    @torch.no_grad()
    def loss(self) -> float:
        """Half the mean squared error over all rows."""
        return float((((self.X @ self.w + self.b - self.y) ** 2) / 2).mean())


class Concise(_Regression):
    """``nn.Linear``, ``nn.MSELoss`` and ``torch.optim.SGD``."""

    def __init__(self, problem: Problem, run: Run) -> None:
        super().__init__(problem)
        self.net = nn.Linear(problem.X.shape[1], 1)
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=run.lr)
        self.mse = nn.MSELoss()

    @torch.no_grad()
    def reset(self) -> None:
        """Start anew."""
        self.net.weight.copy_(torch.from_numpy(self.problem.w.T))
        self.net.bias.copy_(torch.from_numpy(self.problem.b))

    def step(self, X: torch.Tensor, y: torch.Tensor) -> None:
        """Update once; the loss is halved, so that the gradient is that of the version from scratch."""
        self.optimizer.zero_grad()
        (self.mse(self.net(X), y) / 2).backward()
        self.optimizer.step()

    @torch.no_grad()
    def loss(self) -> float:
        """Half the mean squared error over all rows."""
        return float(self.mse(self.net(self.X), self.y) / 2)


def contenders(problem: Problem, run: Run) -> Sequence[Contender]:
    """Op by op; ``torch.compile`` would need a C++ compiler at hand."""
    version = Concise if run.kind == "concise" else Scratch
    return [Contender(run, "eager", lambda: version(problem, run))]


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_script("pytorch", torch.__version__, products, contenders)
