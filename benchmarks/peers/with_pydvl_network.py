"""pyDVL on a network: the explicit Hessian, or EK-FAC (which it has for linear layers only)."""

from pydvl.influence.torch import DirectInfluence, EkfacInfluence
from torch.utils.data import DataLoader

from .torch_network import TorchNetwork


class Attributor:
    criteria = ("influence",)

    def __init__(self, problem, method):
        self.torch = TorchNetwork(problem)
        self.damping = float(problem.damping)
        self.method = method

    def matrices(self, criteria):
        loader = DataLoader(self.torch.rows, batch_size=self.torch.rows_at_a_time)
        model = self._model().fit(loader)
        scores = model.influences(*self.torch.queries.tensors, *self.torch.rows.tensors)
        return {"influence": scores.detach().numpy()}

    def _model(self):
        net, damping = self.torch.net, self.damping
        if self.method == "explicit":
            return DirectInfluence(net, self.torch.loss(), regularization=damping)
        return EkfacInfluence(net, update_diagonal=True, hessian_regularization=damping)
