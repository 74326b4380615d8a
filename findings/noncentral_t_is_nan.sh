#!/usr/bin/env bash
# scipy 1.17.1: the distribution function of the noncentral t with 1 degree of freedom, which tells the power of two
# seeds, is NaN at some noncentralities and right at others between them. Guess before: it falls smoothly to 0, as the
# probability does. Seen: cdf(-12.706, 1, nc) is 5.2e-3 at 1, 4.5e-7 at 4, NaN at 8 and 12, 9.2e-17 at 16, NaN at 20.
# `scipy.special.nctdtrinc`, the inverse in the noncentrality, gives the same 80 % power for 1, 4 and 99 degrees of freedom
# that a simulation gives; sslens takes that.
set -euo pipefail
place=$(mktemp -d) && trap 'rm -rf "$place"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$place" scipy==1.17.1 numpy==2.4.6
PYTHONPATH="$place" python3 - <<'PY'
import numpy
from scipy import special, stats

found = {nc: float(stats.nct.cdf(-12.706, 1, nc)) for nc in (1, 4, 8, 12, 16, 20)}
print("cdf(-12.706, 1, nc):", {nc: f"{value:.3g}" for nc, value in found.items()})
missing = [nc for nc, value in found.items() if numpy.isnan(value)]
draw = numpy.random.default_rng(0)
for freedom in (1, 4, 99):
    critical = stats.t.ppf(0.975, freedom)
    nc = special.nctdtrinc(freedom, 0.2, critical)
    drawn = (draw.standard_normal(400_000) + nc) / numpy.sqrt(draw.chisquare(freedom, 400_000) / freedom)
    power = float((drawn > critical).mean())
    print(f"nctdtrinc at {freedom} degrees of freedom: {nc:.3f}, simulated power {power:.3f}")
    assert abs(power - 0.8) < 0.004, "the behaviour has changed"
assert missing == [8, 12, 20], "the behaviour has changed"
PY
