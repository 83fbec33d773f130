"""Many copies of a model, computed at once.

The copies belong to ``S`` seeds times ``C`` cells, seed by seed. Runs of one seed meet the same
minibatches, so the input has shape ``(S, 1, b, ...)``; where a layer can share it between the cells of a
seed, it is never copied.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import nn
from torch.func import functional_call, vmap

#: A layer's work: the input, then the layer's own parameters, each with a leading run axis.
Forward = Callable[[torch.Tensor, Sequence[torch.Tensor]], torch.Tensor]

#: Layers that treat every number alone, and so do not care about leading axes.
ELEMENTWISE = (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.ELU, nn.SiLU, nn.Softplus, nn.LeakyReLU, nn.Identity)


class StackedNet:
    """``R = S * C`` copies of a model, whose parameters lie in one flat tensor.

    Parameters
    ----------
    models : sequence of torch.nn.Module
        One model per seed: the initial parameters. All have the same architecture.
    cells : int
        How many cells, ``C``, start from each seed's model.
    device : torch.device
        Where to compute.

    Attributes
    ----------
    flat : Tensor of shape (R * P,)
        All parameters of all runs, one block of ``R`` rows per parameter tensor. Elementwise update rules
        run on it with one operation where a loop over tensors would take several. Its ``grad`` is filled
        by a backward pass through :meth:`__call__`.
    leaves : list of Tensor
        The same memory as tensors of shape ``(R, ...)``, which autograd differentiates.
    """

    def __init__(self, models: Sequence[nn.Module], cells: int, device: torch.device) -> None:
        template = models[0]
        seeds = len(models)
        self.runs = seeds * cells
        starts = [torch.stack(group) for group in zip(*(list(m.parameters()) for m in models), strict=True)]
        blocks = [start.detach().repeat_interleave(cells, dim=0) for start in starts]
        self.flat = torch.cat([block.reshape(-1) for block in blocks]).to(device)
        self.flat.grad = torch.zeros_like(self.flat)
        self.leaves = [self._leaf(block.shape, offset) for block, offset in zip(blocks, _offsets(blocks), strict=True)]
        #: For each element of ``flat``, the run it belongs to.
        self.run_of = torch.cat([torch.arange(self.runs).repeat_interleave(block[0].numel()) for block in blocks]).to(
            device
        )
        self._forward = layer_map(template, self.runs) or vectorised(template.to(device), self.runs)

    def _leaf(self, shape: torch.Size, offset: int) -> torch.Tensor:
        """A view of the flat parameters whose gradient is accumulated into the flat gradient."""
        end = offset + shape.numel()
        leaf = self.flat[offset:end].view(shape).detach().requires_grad_()
        assert self.flat.grad is not None
        leaf.grad = self.flat.grad[offset:end].view(shape)
        return leaf

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Predict.

        Parameters
        ----------
        x : Tensor of shape (G, 1, b, ...)
            Inputs shared by each of ``G`` groups of ``R / G`` consecutive runs: ``G = S`` for minibatches,
            ``G = 1`` for what all runs are evaluated on.

        Returns
        -------
        Tensor of shape (G, R / G, b, outputs)
        """
        return self._forward(x, self.leaves)


def layer_map(module: nn.Module, runs: int) -> Forward | None:
    """Stack a model layer by layer, or return None if it has a layer that is not in the map.

    ``Linear`` becomes a batched product; elementwise layers stay as they are; ``Sequential`` is a chain.
    """
    if isinstance(module, nn.Linear) and module.bias is not None:
        return _linear
    if isinstance(module, ELEMENTWISE):
        return lambda x, params: module(x)
    if isinstance(module, nn.Sequential):
        layers = [layer_map(layer, runs) for layer in module]
        counts = [len(list(layer.parameters())) for layer in module]
        if all(layers):
            return lambda x, params: _chain(layers, counts, x, params)
    return None


def _chain(
    layers: Sequence[Forward | None], counts: Sequence[int], x: torch.Tensor, params: Sequence[torch.Tensor]
) -> torch.Tensor:
    first = 0
    for layer, count in zip(layers, counts, strict=True):
        assert layer is not None
        x = layer(x, params[first : first + count])
        first += count
    return x


def _linear(x: torch.Tensor, params: Sequence[torch.Tensor]) -> torch.Tensor:
    """``Linear`` for many runs: one product per group that shares its input, else one per run."""
    weight, bias = params
    runs, outputs, inputs = weight.shape
    groups, shared_by, b, _ = x.shape
    cells = runs // groups
    if shared_by == 1:
        # (G, b, in) x (G, in, C * out): the input is read once for all the cells of a seed.
        out = torch.baddbmm(
            bias.view(groups, 1, cells * outputs),
            x.view(groups, b, inputs),
            weight.view(groups, cells * outputs, inputs).transpose(1, 2),
        )
        return out.view(groups, b, cells, outputs).transpose(1, 2)
    out = torch.baddbmm(bias.unsqueeze(1), x.reshape(runs, b, inputs), weight.transpose(1, 2))
    return out.view(groups, cells, b, outputs)


def vectorised(module: nn.Module, runs: int) -> Forward:
    """Stack any module by ``torch.func``: slower than the layer map, and always possible."""
    names = [name for name, _ in module.named_parameters()]

    def one(params: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = functional_call(module, params, (x,))
        return out

    def forward(x: torch.Tensor, params: Sequence[torch.Tensor]) -> torch.Tensor:
        groups = x.shape[0]
        each = x.expand(groups, runs // groups, *x.shape[2:]).reshape(runs, *x.shape[2:])
        out = vmap(one)(dict(zip(names, params, strict=True)), each)
        return out.view(groups, runs // groups, *out.shape[1:])

    return forward


def _offsets(blocks: Sequence[torch.Tensor]) -> Iterator[int]:
    offset = 0
    for block in blocks:
        yield offset
        offset += block.numel()
