"""Half the mean squared error of a linear model, for benchopt."""

import numpy as np
from benchopt import BaseObjective


class Objective(BaseObjective):
    """Least squares."""

    name = "Least squares"
    min_benchopt_version = "1.9"

    def set_data(self, X, y):
        """Take the data set's arrays."""
        self.X, self.y = X, y

    def get_objective(self):
        """Give the solvers what they need."""
        return {"X": self.X, "y": self.y}

    def evaluate_result(self, w):
        """Evaluate a solver's weights, bias last."""
        with np.errstate(all="ignore"):
            return {"value": 0.5 * float(np.mean((self.X @ w[:-1] + w[-1] - self.y) ** 2))}

    def get_one_result(self):
        """Give a result that can be evaluated."""
        return {"w": np.zeros(self.X.shape[1] + 1)}
