"""What the models of `test_clients.py` are asked, and what they answer."""

import numpy as np

WINDOWS = np.array([[[50.0 + i + n, 8.0, 40.0] for i in range(7)] for n in range(2)])
EXPECTED = (WINDOWS[:, -1:, 0] + np.arange(1.0, 8.0))[..., None]
BY_MODEL = {  # name: (windows, outputs by name, in their order)
    "ensemble": (
        WINDOWS,
        {"forecast": EXPECTED, "confidence": np.zeros((2, 2)), "weights": np.ones((2, 2, 3))},
    ),
    "trading": (
        np.full((2, 2, 5), 3.0),
        {
            "classification_probs": np.full((2, 4), 3.0),
            "regression_pred": np.zeros((2, 1)),
            "regression_uncertainty": np.ones((2, 1)),
            "ensemble_weights": np.full((2, 3), 2.0),
        },
    ),
    "features": (np.full((2, 2, 5), 3.0), {"mean": np.full((2, 2), 3.0), "growth": np.zeros((2, 1))}),
}
