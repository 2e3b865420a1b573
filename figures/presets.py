"""What can be chosen of a run: papers, scales, seeds. Nothing here takes time to import."""

from __future__ import annotations

from typing import Literal

PAPERS = {
    "mobahi2020": "Mobahi, Farajtabar & Bartlett 2020",
    "jeong2025": "Jeong & Chung 2025",
    "zhang2020": "Zhang & Sabuncu 2020",
    "zhou2021": "Zhou et al. 2021",
    "kim2021": "Kim et al. 2021",
    "beyond": "Beyond the papers",
}
ScaleName = Literal["smoke", "quick", "thorough", "full"]
# Seeds of networks and splits are counted up from the run's, and must fit into what torch and NetCDF take.
LARGEST_SEED = 1_000_000
