"""kronfluence on a network: EK-FAC, of linear layers and of convolutions."""

import tempfile

import torch
from kronfluence.analyzer import Analyzer, prepare_model
from kronfluence.arguments import FactorArguments, ScoreArguments
from kronfluence.task import Task

from .torch_network import TorchNetwork

BATCH = 1_000
PRECISION = torch.float64
FACTORS = FactorArguments(
    strategy="ekfac",
    amp_dtype=None,
    activation_covariance_dtype=PRECISION,
    gradient_covariance_dtype=PRECISION,
    per_sample_gradient_dtype=PRECISION,
    lambda_dtype=PRECISION,
)


class Classification(Task):
    """Cross-entropy of the labels, or of those drawn from the model, and that of queries."""

    def __init__(self, torch_network):
        super().__init__()
        self.loss = torch_network.loss("sum")
        self.tracked = [torch_network.last] if torch_network.is_last_layer else None

    def compute_train_loss(self, batch, model, sample=False):
        features, labels = batch
        scores = model(features)
        if sample:
            labels = torch.multinomial(scores.detach().softmax(dim=1), 1).squeeze(1)
        return self.loss(scores, labels)

    def compute_measurement(self, batch, model):
        return self.compute_train_loss(batch, model)

    def get_influence_tracked_modules(self):
        return self.tracked


class Attributor:
    criteria = ("influence",)

    def __init__(self, problem, method):
        self.torch = TorchNetwork(problem)
        self.damping = float(problem.damping)
        self.folder = tempfile.TemporaryDirectory()
        task = Classification(self.torch)
        net = prepare_model(self.torch.net, task)
        self.analyzer = Analyzer(
            "network", net, task, cpu=True, output_dir=self.folder.name, disable_tqdm=True
        )

    def matrices(self, criteria):
        self.analyzer.fit_all_factors(
            "factors",
            self.torch.rows,
            factor_args=FACTORS,
            per_device_batch_size=BATCH,
            overwrite_output_dir=True,
        )
        self.analyzer.compute_pairwise_scores(
            "scores",
            "factors",
            self.torch.queries,
            self.torch.rows,
            score_args=ScoreArguments(
                damping_factor=self.damping,
                amp_dtype=None,
                score_dtype=PRECISION,
                per_sample_gradient_dtype=PRECISION,
                precondition_dtype=PRECISION,
            ),
            per_device_query_batch_size=BATCH,
            per_device_train_batch_size=BATCH,
            overwrite_output_dir=True,
        )
        return {"influence": self.analyzer.load_pairwise_scores("scores")["all_modules"].numpy()}
