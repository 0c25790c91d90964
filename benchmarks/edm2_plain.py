"""The baseline: EDM2 (arXiv 2312.02696, configuration G) step by step as the paper states it, without any tuning.

Explicit attention, every weight normalised at every forward pass, contiguous [B, C, H, W], eager, float32, torch's
default Adam, the average by `lerp_` parameter after parameter. Written for `speed.py` from the papers; parameters are
named as in `unpersonal.diffusion.network`, so both load the same weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unpersonal.diffusion.config import NetworkConfig


def normalize(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Equation 66."""
    count = math.prod(x.shape[dim] for dim in dims)
    norm = torch.linalg.vector_norm(x, dim=dims, keepdim=True)
    return x / (1e-4 + norm / math.sqrt(count))


def mp_silu(x: Tensor) -> Tensor:
    """Equation 81."""
    return F.silu(x) / 0.596


def mp_sum(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Equation 88."""
    return ((1 - t) * a + t * b) / math.sqrt((1 - t) ** 2 + t**2)


def mp_cat(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Equation 103."""
    n_a, n_b = a.shape[1], b.shape[1]
    scale = math.sqrt((n_a + n_b) / ((1 - t) ** 2 + t**2))
    return torch.cat([(1 - t) / math.sqrt(n_a) * scale * a, t / math.sqrt(n_b) * scale * b], dim=1)


class Fourier(nn.Module):
    """Equation 75."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("freqs", 2 * math.pi * torch.randn(channels))
        self.register_buffer("phases", 2 * math.pi * torch.rand(channels))

    def forward(self, x: Tensor) -> Tensor:
        """[B] -> [B, channels]."""
        return math.sqrt(2) * torch.cos(x[:, None] * self.freqs + self.phases)


class Conv(nn.Module):
    """Convolution or linear map with forced weight normalisation (algorithm 1)."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.weight = nn.Parameter(torch.randn(outputs, inputs, *([kernel, kernel] if kernel else [])))

    def forward(self, x: Tensor) -> Tensor:
        """The map of [B, inputs] or [B, inputs, H, W]."""
        dims = tuple(range(1, self.weight.ndim))
        if self.training:
            with torch.no_grad():
                self.weight.copy_(normalize(self.weight, dims))
        weight = normalize(self.weight, dims) / math.sqrt(self.weight[0].numel())
        return F.conv2d(x, weight, padding=self.kernel // 2) if self.kernel else F.linear(x, weight)


class PlainBlock(nn.Module):
    """Figure 21."""

    def __init__(
        self, config: NetworkConfig, inputs: int, outputs: int, embedding: int, decoder: bool, how: str, attention: bool
    ) -> None:
        super().__init__()
        self.config, self.decoder, self.how = config, decoder, how
        self.heads = outputs // config.channels_per_head if attention else 0
        self.emb_gain = nn.Parameter(torch.zeros([]))
        self.conv_res0 = Conv(inputs if decoder else outputs, outputs, 3)
        self.emb_linear = Conv(embedding, outputs, 0)
        self.conv_res1 = Conv(outputs, outputs, 3)
        self.conv_skip = Conv(inputs, outputs, 1) if inputs != outputs else None
        self.attn_qkv = Conv(outputs, 3 * outputs, 1) if self.heads else None
        self.attn_proj = Conv(outputs, outputs, 1) if self.heads else None

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """[B, inputs, H, W] and [B, E] -> [B, outputs, H', W']."""
        if self.how == "down":
            x = F.avg_pool2d(x, 2)
        elif self.how == "up":
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        if not self.decoder:
            x = self.conv_skip(x) if self.conv_skip is not None else x
            x = normalize(x, (1,))
        y = self.conv_res0(mp_silu(x))
        y = y * (self.emb_linear(emb) * self.emb_gain + 1)[:, :, None, None]
        y = self.conv_res1(mp_silu(y))
        if self.decoder and self.conv_skip is not None:
            x = self.conv_skip(x)
        x = mp_sum(x, y, self.config.res_balance)
        if self.attn_qkv is not None and self.attn_proj is not None:
            x = mp_sum(x, self.attn_proj(self.attend(self.attn_qkv(x))), self.config.attn_balance)
        return x if self.config.clip_act is None else x.clip(-self.config.clip_act, self.config.clip_act)

    def attend(self, qkv: Tensor) -> Tensor:
        """Cosine attention by two contractions and a softmax."""
        b, c, height, width = qkv.shape
        split = normalize(qkv.reshape(b, self.heads, c // self.heads // 3, 3, height * width), (2,))
        q, k, v = split.unbind(3)
        w = torch.einsum("bhdi,bhdj->bhij", q, k / math.sqrt(q.shape[2])).softmax(dim=3)
        return torch.einsum("bhij,bhdj->bhdi", w, v).reshape(b, c // 3, height, width)


class PlainUNet(nn.Module):
    """Figure 21 and table 6."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.model_channels * factor for factor in config.channel_mult]
        noise = config.model_channels * (config.channel_mult_noise or config.channel_mult[0])
        emb = config.model_channels * (config.channel_mult_emb or max(config.channel_mult))
        self.out_gain = nn.Parameter(torch.zeros([]))
        self.emb_fourier = Fourier(noise)
        self.emb_noise = Conv(noise, emb, 0)
        self.emb_label = Conv(config.label_dim, emb, 0) if config.label_dim else None
        self.enc, self.dec = nn.ModuleDict(), nn.ModuleDict()

        def block(
            inputs: int, outputs: int, level: int, decoder: bool, how: str = "keep", force: bool | None = None
        ) -> PlainBlock:
            attention = config.resolution >> level in config.attn_resolutions if force is None else force
            return PlainBlock(config, inputs, outputs, emb, decoder, how, attention)

        channels, skips = config.channels + 1, []
        for level, width in enumerate(widths):
            name = f"{config.resolution >> level}x{config.resolution >> level}"
            if level == 0:
                self.enc[f"{name}_conv"] = Conv(channels, width, 3)
                channels = width
            else:
                self.enc[f"{name}_down"] = block(channels, channels, level, False, "down", False)
            skips.append(channels)
            for i in range(config.num_blocks):
                self.enc[f"{name}_block{i}"] = block(channels, width, level, False)
                channels = width
                skips.append(channels)
        for level in reversed(range(len(widths))):
            name = f"{config.resolution >> level}x{config.resolution >> level}"
            if level == len(widths) - 1:
                self.dec[f"{name}_in0"] = block(channels, channels, level, True, force=True)
                self.dec[f"{name}_in1"] = block(channels, channels, level, True, force=False)
            else:
                self.dec[f"{name}_up"] = block(channels, channels, level, True, "up", False)
            for i in range(config.num_blocks + 1):
                self.dec[f"{name}_block{i}"] = block(channels + skips.pop(), widths[level], level, True)
                channels = widths[level]
        self.out_conv = Conv(channels, config.channels, 3)

    def forward(self, x: Tensor, c_noise: Tensor, labels: Tensor | None) -> Tensor:
        """[B, C, H, W], [B] and [B, L] -> [B, C, H, W]."""
        emb = self.emb_noise(self.emb_fourier(c_noise))
        if self.emb_label is not None and labels is not None:
            emb = mp_sum(emb, self.emb_label(labels * math.sqrt(labels.shape[1])), self.config.label_balance)
        emb = mp_silu(emb)
        x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
        skips = []
        for name, layer in self.enc.items():
            x = layer(x) if name.endswith("conv") else layer(x, emb)
            skips.append(x)
        for name, layer in self.dec.items():
            x = layer(mp_cat(x, skips.pop(), self.config.concat_balance) if "block" in name else x, emb)
        return self.out_conv(x) * self.out_gain


class PlainDenoiser(nn.Module):
    """Preconditioning of arXiv 2206.00364, table 1, with the log variance of equation 15."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.unet = PlainUNet(config)
        self.logvar_fourier = Fourier(config.logvar_channels)
        self.logvar_linear = Conv(config.logvar_channels, 1, 0)

    def forward(self, x: Tensor, sigma: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Denoised [B, C, H, W] and log variance [B, 1, 1, 1] at `sigma` [B or 1, 1, 1, 1]."""
        data = self.config.sigma_data
        c_skip = data**2 / (sigma**2 + data**2)
        c_out = sigma * data / (sigma**2 + data**2).sqrt()
        c_in = 1 / (data**2 + sigma**2).sqrt()
        c_noise = sigma.flatten().log() / 4
        denoised = c_skip * x + c_out * self.unet(c_in * x, c_noise, labels)
        return denoised, self.logvar_linear(self.logvar_fourier(c_noise)).reshape(-1, 1, 1, 1)


class PlainTrainer:
    """One optimiser step of equations 14 to 16, torch's default Adam, and the average of equation 127."""

    def __init__(self, network: PlainDenoiser, rate: float, exponent: float) -> None:
        self.network, self.exponent = network.train(), exponent
        self.optimizer = torch.optim.Adam(network.parameters(), lr=rate, betas=(0.9, 0.99))
        self.average = {name: value.detach().clone() for name, value in network.named_parameters()}
        self.images = 0

    def step(self, clean: Tensor, sigma: Tensor, noise: Tensor, labels: Tensor | None) -> Tensor:
        """Train on one batch; returns the mean loss."""
        self.optimizer.zero_grad()
        denoised, logvar = self.network(clean + sigma * noise, sigma, labels)
        data = self.network.config.sigma_data
        weight = (sigma**2 + data**2) / (sigma * data) ** 2
        loss = weight / logvar.exp() * (denoised - clean) ** 2 + logvar
        (loss.sum() / len(clean)).backward()
        self.optimizer.step()
        self.images += len(clean)
        beta = (1 - len(clean) / self.images) ** (self.exponent + 1)
        with torch.no_grad():
            for name, value in self.network.named_parameters():
                self.average[name].lerp_(value, 1 - beta)
        return loss.detach().mean()


@torch.no_grad()
def plain_sample(
    network: PlainDenoiser,
    guide: PlainDenoiser | None,
    noise: Tensor,
    labels: Tensor | None,
    guidance: float,
    steps: int,
    sigma_min: float = 0.002,
    sigma_max: float = 80.0,
    rho: float = 7.0,
) -> Tensor:
    """Algorithm 1 of arXiv 2206.00364 with the guidance of arXiv 2406.02507, equation 3."""
    index = torch.arange(steps, dtype=torch.float32, device=noise.device)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    times = torch.cat([(high + index / (steps - 1) * (low - high)) ** rho, index[:1] * 0])

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        found = network(x, t.reshape(1, 1, 1, 1), labels)[0]
        if guide is None:
            return found
        other = guide(x, t.reshape(1, 1, 1, 1), None)[0]
        return other + guidance * (found - other)

    x = noise * times[0]
    for i in range(steps):
        d = (x - denoise(x, times[i])) / times[i]
        following = x + (times[i + 1] - times[i]) * d
        if i < steps - 1:
            d_next = (following - denoise(following, times[i + 1])) / times[i + 1]
            following = x + (times[i + 1] - times[i]) * (0.5 * d + 0.5 * d_next)
        x = following
    return x


def config_of(constructor: Mapping[str, Any]) -> NetworkConfig:
    """Our configuration of a public EDM2 network, given its recorded constructor values.

    Those values name the image size `img_resolution`, `img_channels`, and hold the values of the blocks in `block`.
    `ValueError` for what our network does not implement and for names that it does not know.
    """
    plain = dict(constructor)
    block = dict(plain.pop("block", {}))
    half, kernel = plain.pop("use_fp16", False), list(block.pop("resample_filter", [1, 1]))
    if half or len(set(kernel)) != 1 or len(kernel) != 2:
        raise ValueError(f"not implemented: use_fp16={half}, resample_filter={kernel}")
    names = {"img_resolution": "resolution", "img_channels": "channels"}
    merged = {names.get(key, key): value for key, value in plain.items()}
    for key, value in block.items():
        if merged.setdefault(key, value) != value:
            raise ValueError(f"two different values of {key!r}")
    return NetworkConfig.model_validate(merged)
