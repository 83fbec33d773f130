"""The stack of linear regressions in JAX: ``vmap`` over runs, ``scan`` over steps, one jitted program.

It does what a stack of the lab's does, and the runs of a seed share its orders, as there: draw them, gather the
minibatches, walk through them. Run as a script, in JAX's own environment, it answers questions; :class:`Jax` asks them.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: One thread, on the CPU.
SETTINGS = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
    "OMP_NUM_THREADS": "1",
}
#: How far JAX's losses may be from the lab's, relative, after the same orders.
TOLERANCE = 1e-4

Question = dict[str, Any]


class Jax:
    """JAX in a process of its own.

    Parameters
    ----------
    python : Path
        The Python of its environment.
    X, y : ndarrays of shape (n, d) and (n,)
        The examples.
    """

    def __init__(self, python: Path, X: NDArray[np.float32], y: NDArray[np.float32]) -> None:
        with NamedTemporaryFile(suffix=".npz") as file:
            np.savez(file, X=X, y=y)
            file.flush()
            self._process = subprocess.Popen(
                [python, __file__, file.name],
                env={key: value for key, value in os.environ.items() if not key.startswith("PYTHON")} | SETTINGS,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            self.version: str = self._answer()

    def ask(self, **question: Any) -> Any:
        """Losses after given ``orders``, or the seconds of a call that draws its own."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def timing(self, batch_size: int, lrs: Sequence[float], seeds: int, epochs: int) -> Callable[[], float]:
        """Seconds per run and epoch; the first call compiles."""
        question = {"batch_size": batch_size, "lrs": list(lrs), "seeds": seeds, "epochs": epochs}
        return lambda: float(self.ask(**question)) / (len(lrs) * seeds * epochs)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"JAX ended with status {self._process.wait()}")
        return json.loads(line)


def _programs(X: Any, y: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Training with orders that are drawn from keys, and with orders that are given; both return the losses."""
    import jax

    n = len(X)

    def run(w: Any, b: Any, lr: Any, xs: Any, ys: Any) -> Any:
        def step(params: Any, minibatch: Any) -> Any:
            w, b = params
            x, t = minibatch
            residual = (x @ w + b - t) / len(t)
            return (w - lr * (residual @ x), b - lr * residual.sum()), None

        return jax.lax.scan(step, (w, b), (xs, ys))[0]

    runs_of_a_seed = jax.vmap(run, (0, 0, 0, None, None))
    runs_of_all = jax.vmap(runs_of_a_seed, (0, 0, None, 0, 0))

    def epoch(params: Any, orders: Any, lrs: Any, batch_size: int) -> Any:
        rows = orders.reshape(len(orders), -1, batch_size)
        return runs_of_all(*params, lrs, X[rows], y[rows])

    def losses(params: Any) -> Any:
        w, b = params
        return ((w @ X.T + b[..., None] - y) ** 2).mean(axis=-1) / 2

    def drawn(params: Any, lrs: Any, keys: Any, batch_size: int) -> Any:
        def one(params: Any, keys: Any) -> Any:
            orders = jax.vmap(lambda key: jax.random.permutation(key, n))(keys)
            return epoch(params, orders, lrs, batch_size), None

        return jax.lax.scan(one, params, keys)[0]

    def given(params: Any, lrs: Any, orders: Any, batch_size: int) -> Any:
        return losses(jax.lax.scan(lambda p, some: (epoch(p, some, lrs, batch_size), None), params, orders)[0])

    return jax.jit(drawn, static_argnums=3), jax.jit(given, static_argnums=3)


def main() -> None:
    """Answer questions, a line each, until there are no more."""
    import jax
    import jax.numpy as jnp

    arrays = np.load(sys.argv[1], allow_pickle=False)
    X, y = jnp.asarray(arrays["X"]), jnp.asarray(arrays["y"])
    drawn, given = _programs(X, y)
    print(json.dumps(jax.__version__), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        lrs, batch_size = jnp.asarray(asked["lrs"], jnp.float32), asked["batch_size"]
        if "orders" in asked:
            start = jnp.asarray(asked["weights"], jnp.float32)[:, None]
            w = jnp.repeat(start, len(lrs), axis=1)
            found = given((w, jnp.zeros(w.shape[:2])), lrs, jnp.asarray(asked["orders"]), batch_size)
            print(json.dumps(found.tolist()), flush=True)
            continue
        seeds = asked["seeds"]
        params = (jnp.zeros((seeds, len(lrs), X.shape[1])), jnp.zeros((seeds, len(lrs))))
        keys = jax.random.split(jax.random.key(0), (asked["epochs"], seeds))
        jax.block_until_ready((params, keys))
        begin = time.perf_counter()
        jax.block_until_ready(drawn(params, lrs, keys, batch_size))
        print(json.dumps(time.perf_counter() - begin), flush=True)


if __name__ == "__main__":
    main()
