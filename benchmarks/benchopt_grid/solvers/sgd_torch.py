"""Minibatch SGD in plain PyTorch, for benchopt: an epoch between two evaluations."""

import numpy as np
import torch
from benchopt import BaseSolver


class Solver(BaseSolver):
    """Permute the tensors, slice them, step with torch.optim.SGD."""

    name = "sgd-torch"
    sampling_strategy = "callback"
    parameters = {"batch_size": [1, 10, 100, 1500], "lr": [0.001, 0.005, 0.05, 0.4, 1.0]}

    def set_objective(self, X, y):
        """Take the arrays, on one thread as the lab does."""
        torch.set_num_threads(1)
        self.X, self.y = torch.from_numpy(X), torch.from_numpy(y).unsqueeze(1)

    def run(self, callback):
        """Train until benchopt has seen enough epochs."""
        torch.manual_seed(0)
        self.net = torch.nn.Linear(self.X.shape[1], 1)
        torch.nn.init.normal_(self.net.weight, std=0.01)
        torch.nn.init.zeros_(self.net.bias)
        optimizer = torch.optim.SGD(self.net.parameters(), lr=self.lr)
        while callback():
            order = torch.randperm(len(self.X))
            for X, y in zip(self.X[order].split(self.batch_size), self.y[order].split(self.batch_size), strict=True):
                optimizer.zero_grad()
                (torch.nn.functional.mse_loss(self.net(X), y) / 2).backward()
                optimizer.step()

    def get_result(self):
        """Give the weights, bias last."""
        weight, bias = (parameter.detach().numpy().ravel() for parameter in self.net.parameters())
        return {"w": np.concatenate([weight, bias])}
