"""What a draw does to pixels: one affine sampling, one blur, one colour matrix, one noise field, one clamp."""

import math
from functools import cache

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor

from sslens.types import Images, InputError
from sslens.views.draws import Draw

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the luma (Rec. 601), to which contrast, saturation, hue and grey refer."""
CHROMA = (0.492, 0.877)
"""U = 0.492 (B - Y) and V = 0.877 (R - Y): the plane the hue turns in (PAL and NTSC)."""
MULTIPLIERS = (0x7FEB352D, 0x846CA68B - 2**32)
"""Of the integer hash lowbias32, as signed 32-bit numbers."""


def apply(images: Images, draw: Draw) -> Float[Tensor, "n c _h _w"]:
    """The augmented images: a pure function, in the images' own precision; an empty draw returns ``images`` itself.

    They are as large as the images, or squares of ``draw.size`` pixels a side.

    Geometry is sampled bilinearly. Crops and flips alone reach outside the image by no more than half a pixel, and
    continue its border; once anything turns, shifts or scales, the outside is black (zeros). Views smaller than the
    images are sampled as densely as the images' own pixels and then averaged over equal blocks, so that shrinking does
    not alias; what ``scale`` below 1 shrinks is not antialiased.
    Blur reflects at the border. Brightness, contrast (about the mean luma), saturation and grey multiply, in this
    order, without the clamps others put between them, hence all one matrix A = bc · (1 − (1 − s cos θ) C + s sin θ K)
    and an offset, for factors b, c, s (0 where grey) and hue θ: C takes the luma off, K turns what is left by 90°.
    This *chroma rotation* (in YIQ, or what is the same in YUV) keeps the luma and the grey axis; the hue of HSV
    keeps the largest and smallest channel instead and changes the luma.

    Raises:
        InputError: images that are not floating (n, c, h, w), rows or device that differ from the draw's, or colour
            stages on images with neither 1 nor 3 channels.

    >>> rows = Draw(seed=torch.zeros(1, dtype=torch.int64), flip=torch.tensor([True]))
    >>> apply(torch.tensor([[[[0.1, 0.2, 0.3]]]]), rows)
    tensor([[[[0.3000, 0.2000, 0.1000]]]])
    """
    _check(images, draw)
    if images.numel() == 0:
        return images.new_empty(*images.shape[:2], *_view_shape(images, draw))
    with torch.autocast(images.device.type, enabled=False):  # pixels keep their precision inside a bf16 step
        out = _coloured(_blurred(_moved(images, draw), draw.blur), draw)
        if draw.noise is not None:
            out = torch.addcmul(out, _normal(draw.seed, out), draw.noise.to(out.dtype)[:, None, None, None])
        return out if out is images else out.clamp_(0, 1)


def _check(images: Tensor, draw: Draw) -> None:
    if images.ndim != 4 or not images.is_floating_point():
        raise InputError("images", f"{images.dtype} {tuple(images.shape)}", "floating, of shape (n, c, h, w)")
    if len(images) != len(draw) or images.device != draw.seed.device:
        got, allowed = f"{len(draw)} rows on {draw.seed.device}", f"{len(images)} rows on {images.device}"
        raise InputError("draw", got, f"{allowed}, as the images are")
    if images.shape[1] not in (1, 3) and _recolours(draw):
        raise InputError("images", tuple(images.shape), "of 1 or 3 channels to change their colours")


def _recolours(draw: Draw) -> bool:
    stages = (draw.brightness, draw.contrast, draw.saturation, draw.hue, draw.grey)
    return any(stage is not None for stage in stages)


def _view_shape(images: Tensor, draw: Draw) -> tuple[int, int]:
    height, width = images.shape[2:]
    return (draw.size, draw.size) if draw.size else (height, width)


def _moved(images: Tensor, draw: Draw) -> Tensor:
    height, width = images.shape[2:]
    shape = _view_shape(images, draw)
    resized = shape != (height, width)
    if not resized and all(stage is None for stage in (draw.crop, draw.flip, draw.rotation, draw.shift, draw.scale)):
        return images
    samples = math.ceil(height / shape[0]), math.ceil(width / shape[1])  # within a pixel of the view, down and across
    affine = _affine(draw, height / width).to(images.dtype)
    down, across = (_centres(side * count, images) for side, count in zip(shape, samples, strict=True))
    place = affine[:, :, None, 0] * across + affine[:, :, None, 2]  # (n, xy, w)
    grid = place[:, :, None] + (affine[:, :, None, 1] * down)[..., None]  # (n, xy, h, w)
    outside = "border" if draw.rotation is draw.shift is draw.scale is None else "zeros"
    sampled = F.grid_sample(images, grid.permute(0, 2, 3, 1), padding_mode=outside, align_corners=False)
    if resized:
        return F.avg_pool2d(sampled, samples)
    if width & (width - 1) == height & (height - 1) == 0:  # powers of two: the weights of an image left alone are exact
        return sampled
    still = (affine == torch.eye(2, 3, device=affine.device)).all(dim=2).all(dim=1)
    return torch.where(still[:, None, None, None], images, sampled)


def _centres(side: int, like: Tensor) -> Tensor:
    return (2 * torch.arange(side, dtype=like.dtype, device=like.device) + 1) / side - 1


def _affine(draw: Draw, tall: float) -> Tensor:
    """From a place in the output to the place in the image it shows, both in [-1, 1]; (n, 2, 3)."""
    zero = torch.zeros_like(draw.seed, dtype=torch.float64)
    zoom = 1 / (zero + 1 if draw.scale is None else draw.scale)
    angle = zero if draw.rotation is None else draw.rotation * (math.pi / 180)
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    x, y = (zero, zero) if draw.shift is None else (2 * draw.shift).unbind(1)
    left, top, wide, high = (zero, zero, zero + 1, zero + 1) if draw.crop is None else draw.crop.unbind(1)
    side = wide if draw.flip is None else torch.where(draw.flip, -wide, wide)
    first = [side * cos, -side * sin * tall, 2 * left + wide - 1 - side * (cos * x - sin * y * tall)]
    second = [high * sin / tall, high * cos, 2 * top + high - 1 - high * (sin * x / tall + cos * y)]
    return torch.stack(first + second, dim=1).unflatten(1, (2, 3))


def _blurred(images: Tensor, deviation: Tensor | None) -> Tensor:
    if deviation is None:
        return images
    rows, columns = (_gaussian(deviation, side).to(images.dtype) for side in images.shape[2:])
    across = images.flatten(1, 2) @ columns.mT  # (n, c·h, w)
    return rows[:, None] @ across.view(images.shape)


def _gaussian(deviation: Tensor, side: int) -> Tensor:
    """One blur of a line of pixels per image, (n, side, side): Toeplitz, its ends folded back at the border."""
    at = torch.arange(side, device=deviation.device)
    into, out = at[:, None], at[None, :]
    spread = (2 * deviation**2).clamp(min=1e-12)[:, None, None]  # an impulse, not 0/0, where nothing is blurred

    def weight(distance: Tensor) -> Tensor:
        return (-(distance**2) / spread).exp()

    matrix = weight(into - out) + (out > 0) * weight(into + out)
    matrix = matrix + (out < side - 1) * weight(2 * (side - 1) - into - out)
    return matrix / matrix.sum(dim=2, keepdim=True)


def _coloured(images: Tensor, draw: Draw) -> Tensor:
    if not _recolours(draw):
        return images
    one = torch.ones_like(draw.seed, dtype=torch.float64)
    brightness, contrast = (one if factor is None else factor for factor in (draw.brightness, draw.contrast))
    factor, pixels = (brightness * contrast)[:, None, None].to(images.dtype), images.flatten(2)
    offset = ((1 - contrast) * brightness).to(images.dtype)[:, None, None]
    if images.shape[1] == 1:
        offset = offset * pixels.mean(dim=2, keepdim=True)
        return torch.addcmul(offset, factor, pixels).view(images.shape)
    luma = _planes(images.device)[0].to(images.dtype)
    offset = offset * (pixels.mean(dim=2) @ luma)[:, None, None]
    return torch.baddbmm(offset, factor * _chroma(draw).to(images.dtype), pixels).view(images.shape)


def _chroma(draw: Draw) -> Tensor:
    """1 - (1 - s cos θ) C + s sin θ K: exactly the identity where s = 1 and θ = 0."""
    zero = torch.zeros_like(draw.seed, dtype=torch.float64)
    factor = zero + 1 if draw.saturation is None else draw.saturation
    factor = factor if draw.grey is None else torch.where(draw.grey, zero, factor)
    angle = zero if draw.hue is None else draw.hue * (2 * math.pi)
    _, coloured, quarter = _planes(zero.device)
    lost, turned = 1 - factor * angle.cos(), factor * angle.sin()
    identity = torch.eye(3, dtype=zero.dtype, device=zero.device)
    return identity - lost[:, None, None] * coloured + turned[:, None, None] * quarter


@cache  # a constant copied to a GPU in every call would make the host wait for it
@torch.inference_mode(mode=False)
def _planes(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Luma weights, C (a colour less its luma) and K (what C leaves, turned by 90° in the plane of U and V)."""
    luma = torch.tensor(LUMA, dtype=torch.float64, device="cpu")
    coloured, ratio = torch.eye(3, dtype=torch.float64, device="cpu") - luma, CHROMA[0] / CHROMA[1]
    red, blue = ratio * coloured[2], -coloured[0] / ratio  # U becomes V, and V becomes -U
    green = -(luma[0] * red + luma[2] * blue) / luma[1]  # the luma stays
    return luma.to(device), coloured.to(device), torch.stack([red, green, blue]).to(device)


def _normal(seed: Tensor, like: Tensor) -> Tensor:
    """Standard normal numbers in the shape of ``like``, a function of each row's seed and the position alone.

    Box and Muller's pairs from a counter-based integer hash, so that a draw stays small and replays on any device.
    """
    pixels = like[0].numel()
    half = (pixels + 1) // 2
    place = _hashed(torch.arange(1, 2 * half + 1, dtype=torch.int32, device=seed.device))
    bits = _hashed(place ^ seed.to(torch.int32)[:, None])  # (n, 2·half)
    radius = (bits[:, :half] & 0x7FFFFFFF).to(like.dtype).add_(0.5).mul_(2.0**-31).log_().mul_(-2).sqrt_()
    angle = bits[:, half:].to(like.dtype).mul_(math.pi * 2.0**-31)
    return torch.cat([angle.cos().mul_(radius), angle.sin().mul_(radius)], dim=1)[:, :pixels].reshape(like.shape)


def _hashed(bits: Tensor) -> Tensor:
    """Chris Wellons' lowbias32 on 32-bit integers, whose products wrap and whose right shifts are made unsigned."""
    bits = bits ^ ((bits >> 16) & 0xFFFF)
    bits *= MULTIPLIERS[0]
    bits ^= (bits >> 15) & 0x1FFFF
    bits *= MULTIPLIERS[1]
    return bits.bitwise_xor_((bits >> 16) & 0xFFFF)
