"""An expert: encoder, neck, and linear heads on globally average-pooled features.

Shape suffixes: B images, C channels, H W input pixels, h w grid cells, P body parts, F finding
categories.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig
from ulna.imaging.read import read_radiograph
from ulna.models.encoder import Encoder, build_encoder
from ulna.models.neck import attention_weight, build_neck
from ulna.models.scale import resized
from ulna.preprocess import prepare
from ulna.types import BodyPart, FindingCategory, Radiograph


class ExpertOutput(NamedTuple):
    """abnormal_BP = mean(cam_BPhw over h, w) + bias_P; logits of all body parts' heads.

    Likewise finding_BF = mean(finding_cam_BFhw) + finding_bias_F. attention_BAhw: the neck's scores
    before the softmax; A is 1 with attention, else 0. features_BC: mean over all cells of each of
    the encoder's stages, the last of which the body-part head reads. Their distance from the
    training distribution decides whether an image is out of distribution.
    """

    abnormal_BP: Tensor
    body_part_BP: Tensor
    finding_BF: Tensor
    cam_BPhw: Tensor
    attention_BAhw: Tensor
    features_BC: Tensor
    finding_cam_BFhw: Tensor


class Pooled(NamedTuple):
    """Input of the heads, pooled over all cells: (B, C) by the mean, (B, C) attended.

    evidence_B: log-sum-exp of the attention's scores, the log odds that some cell shows a finding;
    zeros (B,) without attention.
    """

    everywhere_BC: Tensor
    attended_BC: Tensor
    evidence_B: Tensor


class Expert(nn.Module):
    """Encoder, neck and linear heads; the abnormal head is applied as a 1 x 1 convolution.

    Because pooling and head are both linear they commute: the map is the head applied to every
    cell, and its mean plus the bias is the logit (Zhou et al. 2016, eq. 1-2). With an attention
    neck, the abnormal head reads the attended features and the body-part head the mean of all
    cells.

    Heads fitted after training (`fit_heads`) read one more number of an attention: the log-sum-exp
    of its scores (Pinheiro and Collobert 2015, From image-level to pixel-level labeling with
    convolutional networks, section 3.3), weighted by `evidence_P`. The map adds it in proportion to
    the attention, less `origin_P`; both are zero until the heads are fitted.

    `build_expert` sets input_spec (settings of `prepare`), body_parts (the order of P) and
    categories (the order of F).
    """

    evidence_P: Tensor
    origin_P: Tensor
    input_spec: InputSpec
    body_parts: tuple[BodyPart, ...]
    categories: tuple[FindingCategory, ...]

    def __init__(
        self, encoder: Encoder, config: ExpertConfig, n_parts: int, n_findings: int
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.input_scale = config.input_scale
        n = encoder.num_features
        self.neck = build_neck(config.neck, n)
        self.dropout = nn.Dropout2d(config.drop_rate)
        self.abnormal = nn.Linear(n, n_parts)
        self.body_part = nn.Linear(n, n_parts)
        self.finding = nn.Linear(n, n_findings) if n_findings else None
        self.reads_evidence = config.fit_heads and config.neck == "attention"
        if self.reads_evidence:
            self.register_buffer("evidence_P", torch.zeros(n_parts))
            self.register_buffer("origin_P", torch.zeros(n_parts))

    @property
    def bias_P(self) -> Tensor:
        """The abnormal logit where the map is zero everywhere."""
        return self.abnormal.bias

    @property
    def finding_bias_F(self) -> Tensor:
        """Each category's logit where its map is zero everywhere; (0,) without a head."""
        return self.abnormal.bias[:0] if self.finding is None else self.finding.bias

    def forward(self, x_BCHW: Tensor) -> ExpertOutput:
        stages = self.encoder.forward_stages(resized(x_BCHW, self.input_scale))
        features_BChw = stages[-1]
        grid_BChw = self.dropout(self.neck(features_BChw))
        # Single precision from here on: the mean of many cells must equal the logit to 1e-4.
        with torch.autocast(x_BCHW.device.type, enabled=False):
            n = self.encoder.num_features
            everywhere_BChw, attended_BChw = grid_BChw[:, :n].float(), grid_BChw[:, -n:].float()
            cam_BPhw = functional.conv2d(attended_BChw, self.abnormal.weight[:, :, None, None])
            score_BAhw = self.neck.score(features_BChw.float())
            if self.reads_evidence:
                cam_BPhw = cam_BPhw + self._evidence_map(score_BAhw)
            finding_cam_BFhw = self._finding_map(attended_BChw)
            return ExpertOutput(
                abnormal_BP=cam_BPhw.mean(dim=(2, 3)) + self.abnormal.bias,
                body_part_BP=self.body_part(everywhere_BChw.mean(dim=(2, 3))),
                finding_BF=finding_cam_BFhw.mean(dim=(2, 3)) + self.finding_bias_F,
                cam_BPhw=cam_BPhw,
                attention_BAhw=score_BAhw,
                features_BC=torch.cat([s.float().mean(dim=(2, 3)) for s in stages], dim=1),
                finding_cam_BFhw=finding_cam_BFhw,
            )

    def _finding_map(self, attended_BChw: Tensor) -> Tensor:
        """Return (B, F, h, w): the finding head applied to every cell of the attended features."""
        if self.finding is None:
            return attended_BChw[:, :0]
        return functional.conv2d(attended_BChw, self.finding.weight[:, :, None, None])

    def _evidence_map(self, score_B1hw: Tensor) -> Tensor:
        """Return (B, P, h, w) whose mean over cells is evidence_P * evidence - origin_P."""
        evidence_B1 = score_B1hw.flatten(2).logsumexp(-1)
        above_BP = evidence_B1 * self.evidence_P - self.origin_P
        return attention_weight(score_B1hw) * above_BP[:, :, None, None]

    def prepare(self, source: Path | str | Radiograph) -> Tensor:
        """Return an image as this expert's input, (1, S, S) float32. Raises ImageError."""
        image = source if isinstance(source, Radiograph) else read_radiograph(source)
        return torch.from_numpy(prepare(image, self.input_spec)[0])

    def pool(self, x_BCHW: Tensor) -> Pooled:
        """Return the input of the heads for each image."""
        features_BChw = self.encoder(resized(x_BCHW, self.input_scale))
        grid_BChw = self.neck(features_BChw).float()
        n = self.encoder.num_features
        score_BN = self.neck.score(features_BChw).float().flatten(1)
        evidence_B = score_BN.logsumexp(-1) if score_BN.shape[1] else score_BN.sum(-1)
        return Pooled(
            grid_BChw[:, :n].mean(dim=(2, 3)), grid_BChw[:, -n:].mean(dim=(2, 3)), evidence_B
        )

    def stages(self) -> list[list[nn.Parameter]]:
        """Return the parameters by stage from the input up; the last stage is neck and heads."""
        body = dict(self.encoder.body.named_parameters())
        stages = [[body[n] for n in names] for names in self.encoder.stages()]
        known = {id(p) for stage in stages for p in stage}
        stages.append([p for p in self.parameters() if id(p) not in known])
        return stages


def build_expert(
    config: ExpertConfig,
    parts: tuple[BodyPart, ...],
    categories: tuple[FindingCategory, ...],
    input_spec: InputSpec,
    pretrained: bool = False,
) -> Expert:
    """Build the untrained expert of `config`, at random or (`pretrained`) with ImageNet weights.

    `load_initial_weights` loads other initial weights. Raises ConfigError, WeightsError.
    """
    encoder = build_encoder(config.encoder, input_spec.size, pretrained)
    expert = Expert(encoder, config, len(parts), len(categories))
    expert.input_spec, expert.body_parts, expert.categories = input_spec, parts, categories
    return expert
