"""The magnitude-preserving U-Net of EDM2 and its preconditioning (arXiv 2312.02696, configuration G).

Names of parameters are those of the public checkpoints, so that these load with `load_state_dict(strict=True)`.
Legend of shapes: B batch, C channels, H = W resolution, E embedding, L `label_dim`, h heads, d channels per head.

Modules take and give [B, C, H, W]; in memory the channels lie innermost. Constant factors of the magnitude-preserving
operations are multiplied into weights.
"""

from __future__ import annotations

import copy
import math
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import NetworkConfig
from .layers import (
    SILU_MAGNITUDE,
    SWITCHES,
    MPConv,
    MPFourier,
    channels_inner,
    channels_outer,
    mp_cat,
    mp_silu,
    mp_sum,
    normalize_inner,
)

Precision = Literal["fp32", "bf16", "fp16"]
DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Block(nn.Module):
    """Encoder or decoder block (figure 21 of arXiv 2312.02696): [B, inputs, H, W] -> [B, outputs, H', W']."""

    def __init__(self, config: NetworkConfig, inputs: int, outputs: int, embedding: int, **kind: Any) -> None:
        """`kind`: `decoder` (bool), `resample` ('keep', 'up' or 'down'), `attention` (bool)."""
        super().__init__()
        self.decoder: bool = kind["decoder"]
        self.resample: str = kind["resample"]
        self.config = config
        self.heads: int = outputs // config.channels_per_head if kind["attention"] else 0
        # mp_sum(x, y, t) = keep · x + take · y; what can be is multiplied into the weights, so is 1/0.596 of mp_silu
        (self.keep, take), (self.keep_attention, take_attention) = map(
            _shares, (config.res_balance, config.attn_balance)
        )
        into_skip = self.keep if self.decoder else 1.0
        inward = inputs if self.decoder else outputs
        self.emb_gain = nn.Parameter(torch.zeros([]))
        self.conv_res0 = MPConv(inward, outputs, 3, scale=1 / SILU_MAGNITUDE)
        self.emb_linear = MPConv(embedding, outputs, 0)
        self.conv_res1 = MPConv(outputs, outputs, 3, scale=take / SILU_MAGNITUDE)
        self.conv_skip = MPConv(inputs, outputs, 1, scale=into_skip) if inputs != outputs else None
        self.attn_qkv = MPConv(outputs, 3 * outputs, 1, heads=self.heads) if self.heads else None
        self.attn_proj = MPConv(outputs, outputs, 1, scale=take_attention) if self.heads else None

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """`emb` is [B, E] or [1, E]."""
        x = _resample(channels_inner(x), self.resample)
        if not self.decoder:
            x = normalize_inner(self.conv_skip.inner(x) if self.conv_skip is not None else x)
        y = self.conv_res0.inner(F.silu(x))
        factor = (self.emb_linear(emb, self.emb_gain) + 1)[:, None, None, :]
        # without gradients what a convolution has just made may be overwritten
        fresh = not torch.is_grad_enabled()
        y = F.silu(y.mul_(factor), inplace=True) if fresh else F.silu(y * factor)
        if self.training and self.config.dropout:
            y = F.dropout(y, self.config.dropout)
        y = self.conv_res1.inner(y)
        if self.decoder and self.conv_skip is not None:
            x = _added(y, self.conv_skip.inner(x), 1.0)
        else:
            x = _added(y, x, self.keep)
        if self.attn_qkv is not None and self.attn_proj is not None:
            x = _added(self.attn_proj.inner(self.attention(self.attn_qkv.inner(x))), x, self.keep_attention)
        limit = self.config.clip_act
        if limit is not None:
            x = x.clamp_(-limit, limit) if fresh else x.clamp(-limit, limit)
        return channels_outer(x)

    def attention(self, qkv: Tensor) -> Tensor:
        """Cosine attention over the pixels: [B, H, W, 3·h·d] -> [B, H, W, h·d]."""
        # [B, N, 3, h, d], to [B, h, N, d] each
        split = normalize_inner(qkv.flatten(1, 2).unflatten(-1, (3, self.heads, -1)))
        q, k, v = split.permute(2, 0, 3, 1, 4).unbind(0)
        if SWITCHES.fused_attention:
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            y = (q @ k.transpose(2, 3) * q.shape[-1] ** -0.5).softmax(-1) @ v
        return y.permute(0, 2, 1, 3).reshape(*qkv.shape[:3], -1)


def _shares(t: float) -> tuple[float, float]:
    """The factors of a and b in `mp_sum(a, b, t)`."""
    return (1 - t) / math.hypot(1 - t, t), t / math.hypot(1 - t, t)


def _added(y: Tensor, x: Tensor, share: float) -> Tensor:
    """`y + share · x`; in the memory of `y` where no gradient is kept."""
    return torch.add(y, x, alpha=share) if torch.is_grad_enabled() else y.add_(x, alpha=share)


def _resample(x: Tensor, how: str) -> Tensor:
    """[B, H, W, C]: means of 2x2 pixels, each pixel 2x2 times, or `x` itself."""
    if how == "keep":
        return x
    y = x.permute(0, 3, 1, 2)
    y = F.avg_pool2d(y, 2) if how == "down" else F.interpolate(y, scale_factor=2, mode="nearest")
    return y.permute(0, 2, 3, 1)


def _joined(a: Tensor, b: Tensor, t: float) -> Tensor:
    """`mp_cat` that lies in memory as the block that follows wants it."""
    if not SWITCHES.channels_inner:
        return mp_cat(a, b, t)
    count_a, count_b = a.shape[1], b.shape[1]
    scale = math.sqrt((count_a + count_b) / ((1 - t) ** 2 + t**2))
    scale_a, scale_b = scale * (1 - t) / math.sqrt(count_a), scale * t / math.sqrt(count_b)
    a, b = channels_inner(a), channels_inner(b)
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return channels_outer(torch.cat([a * scale_a, b * scale_b], dim=-1))
    joined = a.new_empty(*a.shape[:3], count_a + count_b)
    torch.mul(a, scale_a, out=joined[..., :count_a])
    torch.mul(b, scale_b, out=joined[..., count_a:])
    return channels_outer(joined)


class UNet(nn.Module):
    """The raw network F: [B, C, H, W], noise feature [B], labels [B, L] -> [B, C, H, W]."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.model_channels * factor for factor in config.channel_mult]
        noise = config.model_channels * (config.channel_mult_noise or config.channel_mult[0])
        embedding = config.model_channels * (config.channel_mult_emb or max(config.channel_mult))
        self.out_gain = nn.Parameter(torch.zeros([]))
        self.emb_fourier = MPFourier(noise)
        self.emb_noise = MPConv(noise, embedding, 0)
        self.emb_label = MPConv(config.label_dim, embedding, 0) if config.label_dim else None
        self.enc, skips = self._encoder(widths, embedding)
        self.dec = self._decoder(widths, embedding, skips)
        self.out_conv = MPConv(widths[0], config.channels, 3)
        # last, so that the other weights are those of the network without
        self.emb_augment = MPConv(config.augment_dim, embedding, 0) if config.augment_dim else None

    def _block(self, inputs: int, outputs: int, embedding: int, level: int, **kind: Any) -> Block:
        attention = self.config.resolution >> level in self.config.attn_resolutions
        kind = {"resample": "keep", "attention": attention, **kind}
        return Block(self.config, inputs, outputs, embedding, **kind)

    def _encoder(self, widths: list[int], embedding: int) -> tuple[nn.ModuleDict, list[int]]:
        """The encoder and the channels of each of its outputs, in order."""
        layers, skips = nn.ModuleDict(), []
        # one channel of ones is appended to the image, in place of biases
        channels = self.config.channels + 1
        for level, width in enumerate(widths):
            size = f"{self.config.resolution >> level}x{self.config.resolution >> level}"
            if level == 0:
                layers[f"{size}_conv"], channels = MPConv(channels, width, 3), width
            else:
                layers[f"{size}_down"] = self._block(
                    channels, channels, embedding, level, decoder=False, resample="down", attention=False
                )
            skips.append(channels)
            for index in range(self.config.num_blocks):
                layers[f"{size}_block{index}"] = self._block(channels, width, embedding, level, decoder=False)
                channels = width
                skips.append(channels)
        return layers, skips

    def _decoder(self, widths: list[int], embedding: int, skips: list[int]) -> nn.ModuleDict:
        """The decoder, deepest level first; it takes the encoder's outputs back in reverse order."""
        layers, remaining, channels = nn.ModuleDict(), list(skips), widths[-1]
        for level, width in reversed(list(enumerate(widths))):
            size = f"{self.config.resolution >> level}x{self.config.resolution >> level}"
            same = {"inputs": channels, "outputs": channels, "embedding": embedding, "level": level, "decoder": True}
            if level == len(widths) - 1:
                layers[f"{size}_in0"] = self._block(**same, attention=True)
                layers[f"{size}_in1"] = self._block(**same, attention=False)
            else:
                layers[f"{size}_up"] = self._block(**same, resample="up", attention=False)
            for index in range(self.config.num_blocks + 1):
                joined = channels + remaining.pop()
                layers[f"{size}_block{index}"] = self._block(joined, width, embedding, level, decoder=True)
                channels = width
        return layers

    def embed(self, c_noise: Tensor, labels: Tensor | None, augment: Tensor | None = None) -> Tensor:
        """The embedding [B or 1, E] of noise feature [B or 1], labels [B or 1, L] and values of views [B, a].

        Values a take part as mp_sum does, with a share that grows with their length: (e + |a| f(a/|a|)) / sqrt(1 +
        |a|²), f a map of unit magnitude. So the magnitude is kept, and a of zero is the same as none.
        """
        emb = self.emb_noise(self.emb_fourier(c_noise))
        if self.emb_label is not None and labels is not None:
            emb = mp_sum(emb, self.emb_label(labels * math.sqrt(labels.shape[1])), self.config.label_balance)
        if self.emb_augment is not None and augment is not None:
            more = self.emb_augment(augment * math.sqrt(augment.shape[1]))
            emb = (emb + more) / (1 + augment.square().sum(dim=1, keepdim=True)).sqrt()
        return mp_silu(emb)

    def forward(self, x: Tensor, c_noise: Tensor, labels: Tensor | None, augment: Tensor | None = None) -> Tensor:
        """`labels` is ignored if the network has no label layer, `augment` if it has none for that."""
        emb = self.embed(c_noise, labels, augment).to(x.dtype)
        x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
        skips: list[Tensor] = []
        for layer in self.enc.values():
            x = layer(x, emb) if isinstance(layer, Block) else layer(x)
            skips.append(x)
        for name, layer in self.dec.items():
            if "block" in name:
                x = _joined(x, skips.pop(), self.config.concat_balance)
            x = layer(x, emb)
        return self.out_conv(x, self.out_gain)


class Denoiser(nn.Module):
    """The preconditioned network D(x; sigma, label), which estimates the clean latents (equations 1 to 3).

    Initialisation draws from torch's global generator; see `build_denoiser` for a seeded one.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.precision: Precision = "fp32"
        """In what the body computes; the preconditioning around it, weights and results are float32 always."""
        self.unet = UNet(config)
        self.logvar_fourier = MPFourier(config.logvar_channels)
        self.logvar_linear = MPConv(config.logvar_channels, 1, 0)

    def forward(
        self,
        x: Tensor,
        sigma: Tensor | float,
        class_labels: Tensor | None = None,
        return_logvar: bool = False,
        augment_labels: Tensor | None = None,
    ) -> Any:
        """Denoise `x` [B, C, H, W] at noise level `sigma` (a scalar or [B]).

        `class_labels` [B, L] or [1, L]; None is one all-zero row; ignored if `label_dim` is 0. `augment_labels` [B, a]
        are the values of augmented views, None (zero) the images themselves. Returns the estimate
        [B, C, H, W] in float32, with `return_logvar` also the log variance [B, 1, 1, 1] ([1, 1, 1, 1] for a scalar).
        """
        x = x.float()
        sigma = torch.as_tensor(sigma, dtype=torch.float32, device=x.device).reshape(-1, 1, 1, 1)
        labels = None
        if self.config.label_dim:
            labels = x.new_zeros(1, self.config.label_dim) if class_labels is None else class_labels.float()
            labels = labels.reshape(-1, self.config.label_dim)
        data = self.config.sigma_data
        total = sigma**2 + data**2
        c_noise = sigma.flatten().log() / 4
        raw = self.unet((x / total.sqrt()).to(DTYPES[self.precision]), c_noise, labels, augment_labels).float()
        denoised = (data**2 / total) * x + (sigma * data / total.sqrt()) * raw
        if not return_logvar:
            return denoised
        return denoised, self.logvar_linear(self.logvar_fourier(c_noise)).reshape(-1, 1, 1, 1)


def build_denoiser(config: NetworkConfig, seed: int) -> Denoiser:
    """A `Denoiser` whose initial weights depend on `config` and `seed` only; global random state is untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Denoiser(config)


def fold_weights(denoiser: Denoiser) -> Denoiser:
    """A copy of `denoiser` for inference, in eval mode, that normalises each weight once instead of at every call.

    Outputs are the same. The copy takes no gradients and no optimiser knows its parameters, so nothing changes them
    behind its back; `load_state_dict`, `.to()` and in-place changes of the copy renew the kept weights at the next
    call, a call in train mode or with gradients ends the keeping. Only writes through `.data` escape notice.
    """
    copied = copy.deepcopy(denoiser).eval().requires_grad_(False)
    for module in copied.modules():
        if isinstance(module, MPConv):
            module.folding = True
    return copied


def pick_precision(precision: str, device: torch.device) -> Precision:
    """What `auto` means on `device`: bf16 on GPUs that have it, else fp32; other words are taken as they are."""
    if precision == "auto":
        precision = "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    return cast(Precision, precision)


def compile_(denoiser: Denoiser, mode: str | None = None) -> Denoiser:
    """Compile the body of `denoiser` in place (`torch.compile`'s `mode`); names of its state stay as they are.

    Worth it on CUDA. On the CPU it needs a C++ compiler, takes minutes and gives up the paths written for it here.
    """
    denoiser.unet.compile(mode=mode, dynamic=False)
    return denoiser
