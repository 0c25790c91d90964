"""Configuration of the networks and of their training. Budgets are counted in images, never in time."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..core.config import Config, known_part
from ..core.errors import InputError
from ..matching.registry import MATCHERS

Positive = Annotated[int, Field(gt=0)]
PHANTOM = "phantom"
"""The `start_from` that means invented people."""
MODALITIES = {"chest": "cxr", "head-ct": "ct", "brain-mri": "mri"}
"""Key `phantom` -> modality of the phantom."""
MAX_EMA_STD = 0.2886
"""sqrt(1/12): a wider power-function profile does not exist (arXiv 2312.02696, equation 123)."""


AUGMENT_DIM = 8
"""Values that a network is told of an augmented view (see `diffusion.augment`)."""
MIRROR = 0
"""The one of them that is 1 where it is mirrored."""


class NetworkConfig(Config):
    """Everything that fixes the shape of a `Denoiser`; written as JSON beside its weights."""

    resolution: int = Field(gt=0, description="height and width of the latents, in latent pixels")
    channels: int = Field(gt=0, description="channels of the latents")
    label_dim: int = Field(default=0, ge=0, description="length of a condition vector; 0 = unconditional")
    augment_dim: int = Field(default=0, ge=0, description="values of an augmented view; 0 = it is not told any")
    model_channels: int = Field(default=64, gt=0, description="channels that `channel_mult` multiplies")
    channel_mult: tuple[Positive, ...] = Field(default=(1, 2), min_length=1, description="width of each level")
    num_blocks: int = Field(default=1, ge=1, description="residual blocks per level of the encoder")
    attn_resolutions: tuple[Positive, ...] = Field(default=(8, 4), description="resolutions with attention")
    channels_per_head: int = Field(default=32, gt=0, description="narrower blocks get no attention")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="probability, between the residual convolutions")
    sigma_data: float = Field(default=0.5, gt=0, description="standard deviation of the latents")
    logvar_channels: int = Field(default=128, gt=0, description="Fourier features of the uncertainty head")
    channel_mult_noise: int | None = Field(default=None, description="noise features; None = first of `channel_mult`")
    channel_mult_emb: int | None = Field(default=None, description="embedding; None = largest of `channel_mult`")
    label_balance: float = Field(default=0.5, ge=0, le=1, description="share of the label in the embedding")
    concat_balance: float = Field(default=0.5, ge=0, le=1, description="share of the skip in a concatenation")
    res_balance: float = Field(default=0.3, ge=0, le=1, description="share of the residual branch")
    attn_balance: float = Field(default=0.3, ge=0, le=1, description="share of the attention branch")
    clip_act: float | None = Field(default=256.0, gt=0, description="activations are clipped to ± this; None = never")

    @model_validator(mode="after")
    def _levels_fit(self) -> NetworkConfig:
        halvings = len(self.channel_mult) - 1
        if self.resolution % 2**halvings:
            raise ValueError(
                f"resolution {self.resolution} cannot be halved {halvings} times, as channel_mult of length "
                f"{halvings + 1} asks"
            )
        return self


class DiffusionConfig(Config):
    """`[diffusion]`: the denoiser, the guide (a smaller or shorter trained one without condition), their training."""

    model_channels: int = Field(default=64, gt=0, description="width of the denoiser")
    channel_mult: tuple[Positive, ...] = Field(default=(1, 2), min_length=1, description="width of each level")
    num_blocks: int = Field(default=1, ge=1, description="residual blocks per level of the encoder")
    attn_resolutions: tuple[Positive, ...] = Field(default=(8, 4), description="latent resolutions with attention")
    channels_per_head: int = Field(default=32, gt=0, description="channels of an attention head")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="probability")
    images: int = Field(default=200_000, gt=0, description="images the denoiser is trained on (with repetition)")
    guide_channels: int = Field(default=32, gt=0, description="width of the guide")
    guide_images: int = Field(default=100_000, gt=0, description="images the guide is trained on")
    batch: int = Field(default=64, gt=0, description="images per optimiser step")
    ref_lr: float = Field(default=0.02, gt=0, description="learning rate before decay")
    ref_batches: float = Field(default=2000, ge=0, description="steps after which it decays as 1/sqrt; 0 = never")
    rampup_images: int = Field(default=5000, ge=0, description="images of linear warm-up; 0 = none")
    P_mean: float = Field(default=-0.4, description="mean of ln(sigma) in training")
    P_std: float = Field(default=1.0, gt=0, description="standard deviation of ln(sigma) in training")
    accumulation: int = Field(default=1, ge=1, description="parts in which a step's batch is computed, to save memory")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        default="auto", description="of the network's body; auto: bf16 on GPUs that have it, else fp32"
    )
    compile: bool = Field(default=True, description="compile the network on GPUs")
    horizontal_flip: bool = Field(
        default=False,
        description="also train on mirrored images, which monitor, gate and audit search for as well; "
        "wrong where left and right differ, as in a chest",
    )
    augment: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="probability that a train image is shown as an augmented view, of which the network is told; with "
        "it, mirrored images are told as well; drawing never asks for one; 0 = never",
    )
    augment_views: int = Field(default=4, ge=1, le=64, description="views made of each image; they lie on disk")
    augment_shift: float = Field(default=0.05, ge=0, le=0.5, description="most a view is moved, as a share of the edge")
    augment_rotation: float = Field(default=5.0, ge=0, le=180, description="most it is turned, in degrees")
    augment_zoom: float = Field(default=0.08, ge=0, le=1, description="most it is larger or smaller, as a share")
    augment_stretch: float = Field(default=0.04, ge=0, le=1, description="most it is wider and lower, or the reverse")
    augment_gain: float = Field(default=0.1, ge=0, le=1, description="most its grey values are multiplied, as a share")
    augment_gamma: float = Field(default=0.1, ge=0, le=1, description="most their exponent is changed, as a share")
    ambient_sigma: float = Field(
        default=0.0,
        ge=0,
        description="each image is noised once to this level, and levels above it learn from that alone; latents have "
        "a standard deviation of 0.5; 0 = never",
    )
    ambient_clean: float = Field(
        default=1.0, gt=0, le=1, description="share of people whose clean images the levels below it learn from"
    )
    ema_std: float = Field(default=0.10, gt=0, lt=MAX_EMA_STD, description="relative width of the power-function EMA")
    ema_profiles: tuple[float, ...] = Field(
        default=(), description="widths of which snapshots are kept for reconstruction after training; [] = none"
    )
    ema_search: tuple[float, ...] = Field(
        default=(), description="widths that are reconstructed after training; the least held-out error wins"
    )
    condition_noise: float = Field(
        default=0.1, ge=0, le=2, description="length of the noise on a unit condition vector"
    )
    evaluations: int = Field(
        default=10, ge=1, description="how often errors and samples are looked at, never twice in 25 steps"
    )
    evaluation_images: int = Field(
        default=1300, gt=0, description="train people and held-out people whose errors are measured, at most"
    )
    keep_best: bool = Field(default=True, description="keep the EMA weights with the least held-out error")
    patience: int = Field(default=4, ge=0, description="end after so many measurements without a lesser one; 0 = never")
    max_gap: float = Field(
        default=0.03,
        ge=0,
        description="held-out minus train error, as a share of the former, which the upper bound may not pass; 0 = any",
    )
    max_match_rate: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="share of samples that match train images, which must be noticed as memorising; 1 = any may",
    )
    stop_memorising: bool = Field(default=True, description="end training as soon as it may memorise")
    monitor_samples: int = Field(
        default=128,
        ge=0,
        description="samples drawn at each measurement; 0 = none; 128, measured by 150 held-out people, show a match "
        "rate of 5 % with probability 0.8",
    )
    monitor_matchers: tuple[Annotated[str, known_part(MATCHERS)], ...] = Field(
        default=("mixtures", "parts", "poses"), description="matchers that say whether a sample shows a train person"
    )
    monitor_steps: int = Field(default=12, ge=2, description="solver steps (dpmpp-2m) of these samples")
    guide: Literal["uncond", "smaller", "earlier"] = Field(
        default="uncond",
        description="uncond: trained without conditions; smaller: with; earlier: the denoiser after `guide_images`",
    )
    shards: Literal[1, 2] = Field(
        default=1,
        description="2: two denoisers and guides, each of half of the train people and of the budget; who is in the "
        "condition of an image is unknown to the networks that draw it",
    )
    start_from: str = Field(
        default="",
        description="checkpoint or study to start the denoiser from (.safetensors, .pkl, folder; one called phantom is "
        "./phantom); phantom: denoiser and guide first learn on invented people",
    )
    phantom: Literal["auto", "chest", "head-ct", "brain-mri"] = Field(
        default="auto", description="whom these invented people are like; auto: as the names of images say, else chest"
    )
    phantom_images: int = Field(
        default=100_000, gt=0, description="invented images, each of another person, that the denoiser begins with"
    )

    dp_epsilon: float = Field(
        default=0.0,
        ge=0,
        le=1000,
        description="differential privacy of denoiser and guide together: what anybody learns of one person changes by "
        "a factor of e^ε at most (extra dp; docs/privacy.md); 0 = none",
    )
    dp_delta: float = Field(
        default=1e-5, gt=0, lt=1, description="probability at most that this does not hold; below 1 / train subjects"
    )
    dp_clip: float = Field(
        default=1.0, gt=0, le=1e6, description="length to which the gradient of one subject is clipped"
    )

    @model_validator(mode="after")
    def _keys_fit(self) -> DiffusionConfig:
        if self.batch % self.accumulation:
            raise ValueError(f"batch {self.batch} cannot be divided into {self.accumulation} equal parts")
        if self.ema_search and len(set(self.ema_profiles)) < 2:
            raise ValueError("ema_search reconstructs from at least two different ema_profiles, such as [0.05, 0.1]")
        if len(set(self.monitor_matchers)) != len(self.monitor_matchers):
            raise ValueError("monitor_matchers must not repeat")
        if any(not 0 < std < MAX_EMA_STD for std in (*self.ema_profiles, *self.ema_search)):
            raise ValueError(f"widths of EMA profiles lie between 0 and {MAX_EMA_STD}")
        if self.ambient_clean < 1 and not self.ambient_sigma:
            raise ValueError("ambient_clean below 1 needs ambient_sigma above 0: without it every image is seen clean")
        if self.guide == "earlier" and self.guide_images >= self.images:
            raise ValueError("guide = 'earlier' needs guide_images below images")
        return self

    def own_parts(self) -> tuple[tuple[str, str], ...]:
        """The matchers of the monitor."""
        return tuple(("matcher", name) for name in self.monitor_matchers)

    def as_private(self) -> DiffusionConfig:
        """The same where nothing that looks at people decides about weights; they are measured once, at the end."""
        return self.model_copy(
            update={
                "keep_best": False,
                "patience": 0,
                "stop_memorising": False,
                "evaluations": 1,
                "ema_search": (),
                "precision": "fp32",
                "compile": False,
                "accumulation": 1,
            }
        )

    @property
    def networks(self) -> tuple[str, ...]:
        """What distinguishes the names of the networks that are trained."""
        return ("",) if self.shards == 1 else tuple(f"-{shard}" for shard in range(self.shards))

    @property
    def invented(self) -> bool:
        """Whether training begins with invented people."""
        return self.start_from == PHANTOM

    @property
    def source(self) -> str:
        """The checkpoint or study to start from; empty where there is none."""
        return "" if self.invented else self.start_from

    def for_guide(self) -> DiffusionConfig:
        """The same with the guide's width and budget in the places of the denoiser's."""
        return self.model_copy(update={"model_channels": self.guide_channels, "images": self.guide_images})

    def network(self, shape: tuple[int, ...], label_dim: int) -> NetworkConfig:
        """The network for latents of `shape` (channels, height, width); `InputError` if it cannot be built."""
        channels, height, width = shape
        if height != width or height % 2 ** (len(self.channel_mult) - 1):
            raise InputError(
                f"Latents of {height}x{width} do not fit {len(self.channel_mult)} levels",
                where="[diffusion] channel_mult",
                how="use square images and at most as many levels as the latents can be halved, plus one",
            )
        return NetworkConfig(
            resolution=height,
            channels=channels,
            label_dim=label_dim,
            augment_dim=AUGMENT_DIM if self.augment else 0,
            model_channels=self.model_channels,
            channel_mult=self.channel_mult,
            num_blocks=self.num_blocks,
            attn_resolutions=self.attn_resolutions,
            channels_per_head=self.channels_per_head,
            dropout=self.dropout,
        )
