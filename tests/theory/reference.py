"""A simulator and an enumerator that share no code with the theory they check."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations, product

import numpy as np


def design_of(features):
    return np.column_stack([features, np.ones(len(features))])


def half_mse(features, target, thetas):
    """Loss of many parameter vectors (m, d), each from the data itself."""
    return ((thetas @ design_of(features).T - target) ** 2).mean(axis=1) / 2


def simulate(features, target, rates, batch_size, seeds, readings, *, shuffle=False, momentum=0.0, nesterov=False):
    """Losses (len(readings), seeds) of independent runs from w ~ N(0, 0.01^2), bias 0."""
    # A fixed stream. Over all tests some 300 readings meet a bound of 4 standard errors, so about one stream in fifty
    # breaks it once by chance; a wrong theory breaks it on every stream, and at neighbouring readings together.
    rng = np.random.default_rng([1, batch_size, seeds, len(rates), int(shuffle)])
    design, n = design_of(features), len(target)
    theta = 0.01 * rng.normal(size=(seeds, design.shape[1]))
    theta[:, -1] = 0
    buffer, losses, per_epoch = np.zeros_like(theta), {0: half_mse(features, target, theta)}, -(-n // batch_size)
    for step, lr in enumerate(rates):
        if shuffle:
            if step % per_epoch == 0:
                order = rng.permuted(np.tile(np.arange(n), (seeds, 1)), axis=1)
            begin = step % per_epoch * batch_size
            chosen = order[:, begin : begin + batch_size]
        else:
            chosen = rng.integers(0, n, (seeds, batch_size))
        examples = design[chosen]
        error = (examples @ theta[:, :, None])[:, :, 0] - target[chosen]
        gradient = (error[:, None, :] @ examples)[:, 0] / chosen.shape[1]
        buffer = momentum * buffer + gradient
        theta = theta - lr * (gradient + momentum * buffer if nesterov else buffer)
        if step + 1 in readings:
            losses[step + 1] = half_mse(features, target, theta)
    return np.stack([losses[reading] for reading in readings])


def enumerate_runs(features, target, batches: Sequence, lr, theta, *, momentum=0.0, nesterov=False):
    """Mean loss after every step over all the equally likely sequences of minibatches, by walking each of them."""
    design, total, count = design_of(features), 0.0, 0
    for sequence in batches:
        parameters, buffer, losses = theta.copy(), np.zeros_like(theta), [half_mse(features, target, theta[None])[0]]
        for batch in sequence:
            rows = design[list(batch)]
            gradient = rows.T @ (rows @ parameters - target[list(batch)]) / len(batch)
            buffer = momentum * buffer + gradient
            parameters = parameters - lr * (gradient + momentum * buffer if nesterov else buffer)
            losses.append(half_mse(features, target, parameters[None])[0])
        total, count = total + np.array(losses), count + 1
    return total / count


def draws_with_replacement(n, batch_size, steps):
    return product(product(range(n), repeat=batch_size), repeat=steps)


def epochs_without_replacement(n, batch_size, epochs):
    for orders in product(permutations(range(n)), repeat=epochs):
        yield [order[k : k + batch_size] for order in orders for k in range(0, n, batch_size)]
