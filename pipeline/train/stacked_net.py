"""Many copies of a model, computed at once.

The copies belong to ``S`` seeds times ``C`` cells, seed by seed: run ``s * C + c``. Runs of one seed meet
the same minibatches, and all runs are evaluated on the same examples; a first linear layer reads such an
input once for all the runs that share it.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, reduce

import torch
from torch import nn
from torch.func import functional_call, vmap

#: Layers that treat every number alone, and so do not care how the runs are laid out.
ELEMENTWISE = (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.ELU, nn.SiLU, nn.Softplus, nn.LeakyReLU, nn.Identity)

Layer = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Block:
    """One parameter tensor of all runs, and its gradient: views of the flat tensors, shape (R, ...)."""

    data: torch.Tensor
    grad: torch.Tensor

    def leaf(self, arrange: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """The same memory in the arrangement a layer computes with.

        Autograd adds its gradient straight into the flat one, and no view has to be made, or
        differentiated, at each step.
        """
        leaf = arrange(self.data).detach().requires_grad_()
        leaf.grad = arrange(self.grad)
        return leaf


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
    packed : bool
        Whether each model predicts one value, and those of a seed's ``C`` models lie side by side: the layout in which
        a squared error is fastest.

    Attributes
    ----------
    flat : Tensor of shape (R * P,)
        All parameters of all runs, a block per parameter tensor: elementwise update rules run on it in one
        operation each. A backward pass adds to its ``grad``.
    run_of : Tensor of shape (R * P,), int64
        The run that each element of ``flat`` belongs to.
    blocks : list of Block
        The same memory, parameter by parameter.
    half_squares : callable or None
        Where each model is one linear layer that predicts one value: see :func:`linear_half_squares`.
    """

    def __init__(self, models: Sequence[nn.Module], cells: int, device: torch.device, *, packed: bool) -> None:
        self.packed = packed
        seeds = len(models)
        self.runs = seeds * cells
        starts = [torch.stack(group) for group in zip(*(list(m.parameters()) for m in models), strict=True)]
        starts = [start.detach().repeat_interleave(cells, dim=0) for start in starts]
        self.flat = torch.cat([start.reshape(-1) for start in starts]).to(device)
        self.flat.grad = torch.zeros_like(self.flat)
        runs = torch.arange(self.runs)
        self.run_of = torch.cat([runs.repeat_interleave(start[0].numel()) for start in starts]).to(device)
        sizes = [start.numel() for start in starts]
        self.blocks = [
            Block(data.view(start.shape), grad.view(start.shape))
            for start, data, grad in zip(starts, self.flat.split(sizes), self.flat.grad.split(sizes), strict=True)
        ]
        self.template = models[0].to(device)
        plain = packed and type(self.template) is nn.Linear and self.template.bias is not None
        self.half_squares = linear_half_squares(self.blocks[0], self.blocks[1], seeds) if plain else None
        self._train = self._compile(groups=seeds)
        self._evaluate = self._compile(groups=1)

    def _compile(self, groups: int) -> Layer:
        cells = self.runs // groups
        layers = _stacked_layers(self.template, self.blocks, groups, cells, self.packed)
        if layers is None:
            return _vectorised(self.template, self.blocks, groups, cells, self.packed)
        return partial(reduce, lambda x, layer: layer(x), layers)  # one after the other

    def predict(self, X: torch.Tensor) -> torch.Tensor:
        """Predict for minibatches, differentiably.

        Parameters
        ----------
        X : Tensor of shape (S, b, ...)
            Each seed's minibatch.

        Returns
        -------
        Tensor of shape (S, b, C), or (R, b, ...) where it is not packed
            What each run predicts for each example.
        """
        assert self.flat.grad is not None
        self.flat.grad.zero_()
        return self._train(X)

    @torch.no_grad()
    def model_of(self, run: int) -> nn.Module:
        """One run's model, with parameters of its own."""
        net = copy.deepcopy(self.template)
        for p, block in zip(net.parameters(), self.blocks, strict=True):
            p.copy_(block.data[run])
        return net

    @torch.no_grad()
    def predict_all(self, X: torch.Tensor) -> torch.Tensor:
        """Predict in ``eval()`` mode for examples that all runs share: (n, R), or (R, n, ...) where not packed."""
        self.template.eval()
        predicted = self._evaluate(X.unsqueeze(0))
        self.template.train()
        return predicted.squeeze(0) if self.packed else predicted


def linear_half_squares(
    weight: Block, bias: Block, groups: int
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Write down the gradient of half the squared errors of linear layers that predict one value.

    At small batches most of a step is what autograd does around its few products.

    Parameters
    ----------
    weight, bias : Block
        The parameters of all runs, shapes (R, 1, in) and (R, 1).
    groups : int
        How many minibatches there are, ``S``: each is shared by ``C`` runs.

    Returns
    -------
    callable
        Of minibatches X of shape (S, b, in) and y of shape (S, b, 1): writes the gradient of every run's half mean
        squared error, the numbers of autograd bit for bit.
    """
    inputs = weight.data.shape[2]
    w, w_grad = (t.view(groups, -1, inputs).mT for t in (weight.data, weight.grad))  # (S, in, C)
    b, b_grad = (t.view(groups, 1, -1) for t in (bias.data, bias.grad))  # (S, 1, C)
    w_grad_rows, b_grad_rows = w_grad.mT, b_grad.mT  # made once: a view costs as much as a product

    def differentiate(X: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if X.shape[1] == 1:  # the derivative by the bias is the residual of the one example
            torch.baddbmm(b, X, w, out=b_grad).sub_(y)
            return torch.mul(X, b_grad_rows, out=w_grad_rows)
        residual = torch.baddbmm(b, X, w).sub_(y).div_(X.shape[1])
        w_grad.copy_(torch.bmm(X.mT, residual))  # with out=w_grad some processors sum in another order
        return torch.sum(residual, 1, keepdim=True, out=b_grad)

    return differentiate


def _stacked_layers(
    template: nn.Module, blocks: Sequence[Block], groups: int, cells: int, packed_end: bool
) -> list[Layer] | None:
    """Stack a chain of layers, or return None if one of them is not in the map.

    The input is ``(G, b, in)``, shared by the ``C`` runs of a group. The first ``Linear`` makes it
    ``(G, b, C * out)``: packed. From there on each run has an input of its own, and a ``Linear`` computes
    with ``(G * C, b, in)``: apart. The end is packed again where it is a single value.
    """
    parameters = iter(blocks)
    layers: list[Layer] = []
    shared, packed, width = True, False, 0
    # Exact types: a subclass may compute something else.
    for module in template if type(template) is nn.Sequential else [template]:
        if type(module) is nn.Linear and module.bias is not None:
            weight, bias = next(parameters), next(parameters)
            if shared:
                layers.append(_shared_linear(weight, bias, groups))
                shared, packed = False, True
            else:
                if packed:
                    layers.append(_apart(groups, cells, width))
                    packed = False
                layers.append(_own_linear(weight, bias))
            width = module.out_features
        elif type(module) in ELEMENTWISE:
            layers.append(module)
        elif type(module) is nn.Flatten and (module.start_dim, module.end_dim) == (1, -1) and shared:
            layers.append(lambda x: x.flatten(2))
        else:
            return None
    if packed_end and not packed:
        layers.append(_packed(groups, cells))
    if packed and not packed_end:
        layers.append(_apart(groups, cells, width))
    return None if shared or (packed_end and width != 1) else layers


def _shared_linear(weight: Block, bias: Block, groups: int) -> Layer:
    """``Linear`` whose input is shared: the input is read once for all the runs of a group."""
    inputs = weight.data.shape[2]
    w = weight.leaf(lambda t: t.view(groups, -1, inputs).transpose(1, 2))  # (G, in, C * out)
    b = bias.leaf(lambda t: t.view(groups, 1, -1))
    return lambda x: torch.baddbmm(b, x, w)


def _own_linear(weight: Block, bias: Block) -> Layer:
    """``Linear`` with an input for each run, from (R, b, in) to (R, b, out)."""
    w = weight.leaf(lambda t: t.transpose(1, 2))
    b = bias.leaf(lambda t: t.unsqueeze(1))
    return lambda x: torch.baddbmm(b, x, w)


def _apart(groups: int, cells: int, width: int) -> Layer:
    """From (G, b, C * width) to (G * C, b, width)."""
    return lambda x: x.view(groups, -1, cells, width).transpose(1, 2).reshape(groups * cells, -1, width)


def _packed(groups: int, cells: int) -> Layer:
    """From (G * C, b, 1) to (G, b, C)."""
    return lambda x: x.view(groups, cells, -1).transpose(1, 2)


def _vectorised(template: nn.Module, blocks: Sequence[Block], groups: int, cells: int, packed: bool) -> Layer:
    """Stack any module by ``torch.func``: slower than layer by layer, and possible for whatever vmap can do."""
    names = [name for name, _ in template.named_parameters()]
    leaves = {name: block.leaf(lambda t: t) for name, block in zip(names, blocks, strict=True)}

    def one_run(params: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        """One run's network on its own examples."""
        out: torch.Tensor = functional_call(template, params, (x,))
        return out

    def forward(x: torch.Tensor) -> torch.Tensor:
        """Every run's network at once."""
        each = x.repeat_interleave(cells, dim=0)
        predicted = vmap(one_run)(leaves, each)
        return predicted.view(groups, cells, -1).transpose(1, 2) if packed else predicted

    return forward
