"""The magnitude-preserving U-Net of EDM2 and its preconditioning (arXiv 2312.02696, configuration G).

Names of parameters are those of the public checkpoints, so that these load with `load_state_dict(strict=True)`.
Legend of shapes: B batch, C channels, H = W resolution, E embedding, L `label_dim`, h heads, d channels per head.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import NetworkConfig

EPSILON = 1e-4
"""Added to every root mean square before it divides (arXiv 2312.02696, appendix B.2)."""

SILU_MAGNITUDE = 0.596
"""Root mean square of silu(z) for a unit normal z (equation 81)."""


def normalize(x: Tensor, dims: tuple[int, ...] | None = None) -> Tensor:
    """`x / (1e-4 + rms(x))` with the root mean square over `dims`, by default all but the first (equation 66)."""
    dims = tuple(range(1, x.ndim)) if dims is None else dims
    count = math.prod(x.shape[dim] for dim in dims)
    length = torch.linalg.vector_norm(x, dim=dims, keepdim=True, dtype=torch.float32)
    return x / (EPSILON + length / math.sqrt(count)).to(x.dtype)


def mp_silu(x: Tensor) -> Tensor:
    """Magnitude-preserving silu (equation 81)."""
    return F.silu(x) / SILU_MAGNITUDE


def mp_sum(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Magnitude-preserving sum with share `t` of `b` (equation 88)."""
    return a.lerp(b, t) / math.hypot(1 - t, t)


def mp_cat(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Magnitude-preserving concatenation along the channels with share `t` of `b` (equation 103)."""
    count_a, count_b = a.shape[1], b.shape[1]
    scale = math.sqrt((count_a + count_b) / ((1 - t) ** 2 + t**2))
    return torch.cat([a * (scale * (1 - t) / math.sqrt(count_a)), b * (scale * t / math.sqrt(count_b))], dim=1)


class MPFourier(nn.Module):
    """Random Fourier features `sqrt(2) cos(x f + p)` of a scalar (equation 75): [B] -> [B, channels]."""

    freqs: Tensor
    phases: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("freqs", 2 * math.pi * torch.randn(channels))
        self.register_buffer("phases", 2 * math.pi * torch.rand(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Features of `x`, computed in float32."""
        return math.sqrt(2) * torch.cos(torch.outer(x.float(), self.freqs.float()) + self.phases.float())


class MPConv(nn.Module):
    """Linear map or convolution without bias whose weight always has unit magnitude (equations 47 and 66).

    `kernel` 0 is a linear map. In train mode the stored weight is first overwritten by its normalised form (forced
    weight normalisation). With `folding` (see `fold_weights`) the normalised weight is kept between calls in eval mode,
    and used only while the stored weight is the very tensor in the very version it was computed from. Train mode, and
    any call that asks for a gradient of the weight, end the folding: fused optimisers write without counting a version.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.weight = nn.Parameter(torch.randn(outputs, inputs, *([kernel, kernel] if kernel else [])))
        self.folding = False
        self._folded: tuple[Tensor, int, Tensor] | None = None

    def _unit_weight(self) -> Tensor:
        return normalize(self.weight) / math.sqrt(self.weight[0].numel())

    def effective_weight(self) -> Tensor:
        """The weight that multiplies the input, without gain."""
        weight = self.weight
        if self.training:
            with torch.no_grad():
                weight.copy_(normalize(weight))
        if self.training or (weight.requires_grad and torch.is_grad_enabled()):
            self._folded, self.folding = None, False
        if not self.folding or weight.is_inference():
            return self._unit_weight()
        if self._folded is None or self._folded[0] is not weight or self._folded[1] != weight._version:
            with torch.no_grad():
                self._folded = (weight, weight._version, self._unit_weight())
        return self._folded[2]

    def forward(self, x: Tensor, gain: Tensor | None = None) -> Tensor:
        """Apply the map to [B, inputs] (linear) or [B, inputs, H, W], then multiply by `gain`."""
        weight = self.effective_weight().to(x.dtype)
        y = F.conv2d(x, weight, padding=self.kernel // 2) if self.kernel else F.linear(x, weight)
        return y if gain is None else y * gain.to(y.dtype)

    def _apply(self, fn: Any, recurse: bool = True) -> MPConv:
        # `.to()` replaces the values behind the same tensor without counting a version
        self._folded = None
        return super()._apply(fn, recurse)

    def __getstate__(self) -> dict[str, Any]:
        # a copy holds other tensors; the kept weight would only waste memory there
        return {**self.__dict__, "_folded": None}


class Block(nn.Module):
    """Encoder or decoder block (figure 21 of arXiv 2312.02696): [B, inputs, H, W] -> [B, outputs, H', W']."""

    def __init__(self, config: NetworkConfig, inputs: int, outputs: int, embedding: int, **kind: Any) -> None:
        """`kind`: `decoder` (bool), `resample` ('keep', 'up' or 'down'), `attention` (bool)."""
        super().__init__()
        self.decoder: bool = kind["decoder"]
        self.resample: str = kind["resample"]
        self.config = config
        self.heads: int = outputs // config.channels_per_head if kind["attention"] else 0
        self.emb_gain = nn.Parameter(torch.zeros([]))
        self.conv_res0 = MPConv(inputs if self.decoder else outputs, outputs, 3)
        self.emb_linear = MPConv(embedding, outputs, 0)
        self.conv_res1 = MPConv(outputs, outputs, 3)
        self.conv_skip = MPConv(inputs, outputs, 1) if inputs != outputs else None
        self.attn_qkv = MPConv(outputs, 3 * outputs, 1) if self.heads else None
        self.attn_proj = MPConv(outputs, outputs, 1) if self.heads else None

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """`emb` is [B, E] or [1, E]."""
        if self.resample == "down":
            x = F.avg_pool2d(x, 2)
        elif self.resample == "up":
            x = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        if not self.decoder:
            x = normalize(self.conv_skip(x) if self.conv_skip is not None else x, dims=(1,))
        y = self.conv_res0(mp_silu(x))
        y = mp_silu(y * (self.emb_linear(emb, self.emb_gain) + 1)[:, :, None, None])
        if self.training and self.config.dropout:
            y = F.dropout(y, self.config.dropout)
        y = self.conv_res1(y)
        if self.decoder and self.conv_skip is not None:
            x = self.conv_skip(x)
        x = mp_sum(x, y, self.config.res_balance)
        if self.attn_qkv is not None and self.attn_proj is not None:
            x = mp_sum(x, self.attn_proj(self.attention(self.attn_qkv(x))), self.config.attn_balance)
        limit = self.config.clip_act
        return x if limit is None else x.clamp(-limit, limit)

    def attention(self, qkv: Tensor) -> Tensor:
        """Cosine attention over the pixels: [B, h·d·3, H, W] (q, k, v fastest) -> [B, h·d, H, W]."""
        batch, channels, height, width = qkv.shape
        split = qkv.reshape(batch, self.heads, -1, 3, height * width)
        q, k, v = normalize(split, dims=(2,)).permute(3, 0, 1, 4, 2).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v)
        return y.transpose(2, 3).reshape(batch, channels // 3, height, width)


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

    def embed(self, c_noise: Tensor, labels: Tensor | None) -> Tensor:
        """The embedding [B or 1, E] of noise feature [B or 1] and labels [B or 1, L]."""
        emb = self.emb_noise(self.emb_fourier(c_noise))
        if self.emb_label is not None and labels is not None:
            emb = mp_sum(emb, self.emb_label(labels * math.sqrt(labels.shape[1])), self.config.label_balance)
        return mp_silu(emb)

    def forward(self, x: Tensor, c_noise: Tensor, labels: Tensor | None) -> Tensor:
        """`labels` is ignored if the network has no label layer."""
        emb = self.embed(c_noise, labels).to(x.dtype)
        x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
        skips = []
        for layer in self.enc.values():
            x = layer(x, emb) if isinstance(layer, Block) else layer(x)
            skips.append(x)
        for name, layer in self.dec.items():
            if "block" in name:
                x = mp_cat(x, skips.pop(), self.config.concat_balance)
            x = layer(x, emb)
        return self.out_conv(x, self.out_gain)


class Denoiser(nn.Module):
    """The preconditioned network D(x; sigma, label), which estimates the clean latents (equations 1 to 3).

    Initialisation draws from torch's global generator; see `build_denoiser` for a seeded one.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.unet = UNet(config)
        self.logvar_fourier = MPFourier(config.logvar_channels)
        self.logvar_linear = MPConv(config.logvar_channels, 1, 0)

    def forward(
        self, x: Tensor, sigma: Tensor | float, class_labels: Tensor | None = None, return_logvar: bool = False
    ) -> Any:
        """Denoise `x` [B, C, H, W] at noise level `sigma` (a scalar or [B]).

        `class_labels` [B, L] or [1, L]; None is one all-zero row; ignored if `label_dim` is 0. Returns the estimate
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
        raw = self.unet(x / total.sqrt(), c_noise, labels).float()
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
