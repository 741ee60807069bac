"""The names of the modes that a diagnosis compares."""

INFERENCE, TRAINING = "inference mode", "training mode"
BATCH_NORM, DROPOUT = "only batch normalization trains", "only dropout trains"
RECALIBRATED, UNFLAGGED = "recalibrated", "without the constant training=True"
PREPROCESSED = "preprocessed as in training"
OTHER_EPSILON = "with epsilon=1e-05"
IN_ORDER = "only batch normalization trains, data in order"
