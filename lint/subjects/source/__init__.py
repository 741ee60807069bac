"""Python source as the rules see it, and all that they ask of it."""

from .flags.always_on import AlwaysOn, always_off, always_on
from .flags.base_calls import base_calls
from .flags.bypassed import (
    base_calls_without_flag,
    bypassing_calls,
    calls_without_parameter,
    flags_ignored,
    wrapped_calls,
)
from .flags.flag_fixes import flag_left_out
from .flags.flag_places import FlagPlace
from .flags.flagged import Flagged, flagged_calls
from .flags.flags_of_layers import flags_of_constructors, flags_set
from .flags.fresh_layers import fresh_batch_norms
from .flags.graph_flags import graph_flags
from .flags.handed_on import (
    Misnamed,
    hands_out_of_sight,
    kinds_handed_on,
    misnamed_flags,
)
from .flags.in_lambda import batch_norms_in_lambda
from .flags.kept_flags import Kept, kept_flags
from .flags.kept_rates import kept_rates
from .flags.leaks import Leak, leaked_flags
from .flags.left_out_in_inference import left_out_in_inference
from .flags.lost_settings import lost_settings
from .flags.misplaced_flags import misplaced_flags
from .flags.outside_calls import outside_calls
from .flags.own_training import fits_itself, has_own_training
from .flags.placed_flags import placed_flags
from .flags.plain_calls import leaking_calls, leaks_in_call
from .flags.repeated_predictions import repeated_predictions
from .flags.replacing_calls import replacing_calls
from .flags.sibling_flags import (
    LeftOut,
    leaves_flag_out,
    left_out,
    passes_flag_to_sublayers,
)
from .flags.trainable_flags import trainable_flags
from .flags.true_defaults import true_defaults
from .flags.unflagged_on_jax import flag_passed_on, unflagged_on_jax
from .flags.usage import Usage, usage_of
from .flags.without_flag import WithoutFlag, passes_flags_on, without_flag
from .flags.worked_out_flags import worked_out_flags
from .freezing.frozen_parts import frozen_in_parts
from .freezing.in_callbacks import changed_in_callbacks
from .freezing.late_freezing import late_changes
from .freezing.late_in_methods import late_in_methods
from .freezing.late_rates import late_rates
from .freezing.partial_freezing import loops_that_leave_out, loops_that_miss
from .freezing.toggled import toggled_in_loops
from .networks.contents import kinds_of_class
from .networks.frozen import freezes
from .networks.search import Kinds
from .networks.sequence import (
    arguments,
    binds_arguments,
    layers_before,
    library_classes,
)
from .networks.sublayers import is_passed_phase
from .reading import hints
from .reading.edits import replaced, with_argument, with_parameter
from .reading.keras_versions import keras_for
from .reading.module import Module
from .reading.project import Project, UnreadableSource, module_from_bytes, read_module
from .reading.values import Class, default_of, parameters
from .resolving.classes import (
    extends_flagged,
    is_functional,
    keras_kind,
    takes_training,
)
from .resolving.lineage import method_of, project_lineage
from .resolving.members import members
from .resolving.named_flags import named_flag
from .statistics.assigned_momenta import changes_later
from .statistics.averaged import averaged_weights
from .statistics.averages_put_in import averages_put_in
from .statistics.batch_norm_calls import batch_modes
from .statistics.batch_of_one import batches_of_one
from .statistics.copied_weights import copies_without_statistics
from .statistics.data_formats import (
    default_data_format,
    left_at_default,
    sets_format_elsewhere,
)
from .statistics.dropout_rates import DropoutRate, dropout_rates
from .statistics.dropout_rates import Kind as RateKind
from .statistics.fixed_axis import fixed_axes
from .statistics.given_momenta import Momentum
from .statistics.imported_weights import default_epsilons, misordered_weights
from .statistics.momenta import momenta, own_momenta
from .statistics.own_averages import own_averages
from .statistics.reused_layers import reused_layers
from .statistics.scaled_twice import scaled_twice
from .statistics.shared_inputs import shared_by_inputs
from .statistics.sole_use import sole_number
from .statistics.unadapted import unadapted_normalizations
from .tf1.backend_functions import trained_without_updates
from .tf1.batch_statistics import own_batch_statistics
from .tf1.constant_dropout import ConstantDropout, constant_dropouts
from .tf1.constant_flags import ConstantFlag, constant_flags
from .tf1.constants_beside_phase import BesidePhase, constants_beside_phase
from .tf1.copied_collections import copied_collections
from .tf1.estimator_phases import InEveryMode, in_every_mode
from .tf1.fed_phases import Fed, Feed, fed_phases
from .tf1.frozen_in_fit import frozen_in_fit
from .tf1.global_phase import GlobalPhase, Phase, wrong_phases
from .tf1.graph_mode import calls_without_flag, loses_updates
from .tf1.idle_dropout import (
    dropouts_without_flag,
    unflagged_in_estimators,
    unflagged_in_sessions,
)
from .tf1.layer_tables import unflagged_of_tables
from .tf1.layer_updates import (
    handed_to_tensorpack,
    leaves_updates_in_layers,
    trains_layers,
)
from .tf1.restored_networks import Restored, restored_in_training
from .tf1.savers import Incomplete, saved_without_statistics
from .tf1.shared_updates import shared_updates
from .tf1.training_ops import training_ops
from .tf1.unpassed_flags import unpassed_flags
from .tf1.unused_flags import unused_flags
from .tf1.updates_out_of_sight import layers_out_of_sight, updates_out_of_sight
from .tf1.vain_updates import fetched_in_vain
from .training.borrowed import only_borrows
from .training.dropped_updates import (
    dropped_in_scopes,
    dropped_updates,
    updates_left_behind,
)
from .training.evaluation_steps import Evaluated, trained_in_evaluation
from .training.handed_in import handed_in_networks
from .training.lost_flag import LostFlag
from .training.monte_carlo import sampled_through_batch_norm
from .training.never_trained import predicted_untrained
from .training.penalties import penalties_through_batch_norm
from .training.penalties_out_of_sight import penalized_out_of_sight
from .training.step_counts import default_momenta, most_steps
from .training.training_steps import lost_flags, steps_losing_flags
from .training.untrained import (
    actions_in_training,
    finished_in_training,
    teachers_in_training,
)
from .unused.dropped_outputs import dropped_outputs
from .unused.losses import Loss, Unused
from .unused.members import uncalled_members
from .unused.named_nodes import unfed_nodes
from .unused.results import unused_results

__all__ = [
    "AlwaysOn",
    "BesidePhase",
    "Class",
    "ConstantDropout",
    "ConstantFlag",
    "DropoutRate",
    "Evaluated",
    "Fed",
    "Feed",
    "FlagPlace",
    "Flagged",
    "GlobalPhase",
    "InEveryMode",
    "Incomplete",
    "Kept",
    "Kinds",
    "Leak",
    "LeftOut",
    "Loss",
    "LostFlag",
    "Misnamed",
    "Module",
    "Momentum",
    "Phase",
    "Project",
    "RateKind",
    "Restored",
    "UnreadableSource",
    "Unused",
    "Usage",
    "WithoutFlag",
    "actions_in_training",
    "always_off",
    "always_on",
    "arguments",
    "averaged_weights",
    "averages_put_in",
    "base_calls",
    "base_calls_without_flag",
    "batch_modes",
    "batch_norms_in_lambda",
    "batches_of_one",
    "binds_arguments",
    "bypassing_calls",
    "calls_without_flag",
    "calls_without_parameter",
    "changed_in_callbacks",
    "changes_later",
    "constant_dropouts",
    "constant_flags",
    "constants_beside_phase",
    "copied_collections",
    "copies_without_statistics",
    "default_data_format",
    "default_epsilons",
    "default_momenta",
    "default_of",
    "dropout_rates",
    "dropouts_without_flag",
    "dropped_in_scopes",
    "dropped_outputs",
    "dropped_updates",
    "extends_flagged",
    "fed_phases",
    "fetched_in_vain",
    "finished_in_training",
    "fits_itself",
    "fixed_axes",
    "flag_left_out",
    "flag_passed_on",
    "flagged_calls",
    "flags_ignored",
    "flags_of_constructors",
    "flags_set",
    "freezes",
    "fresh_batch_norms",
    "frozen_in_fit",
    "frozen_in_parts",
    "graph_flags",
    "handed_in_networks",
    "handed_to_tensorpack",
    "hands_out_of_sight",
    "has_own_training",
    "hints",
    "in_every_mode",
    "is_functional",
    "is_passed_phase",
    "kept_flags",
    "kept_rates",
    "keras_for",
    "keras_kind",
    "kinds_handed_on",
    "kinds_of_class",
    "late_changes",
    "late_in_methods",
    "late_rates",
    "layers_before",
    "layers_out_of_sight",
    "leaked_flags",
    "leaking_calls",
    "leaks_in_call",
    "leaves_flag_out",
    "leaves_updates_in_layers",
    "left_at_default",
    "left_out",
    "left_out_in_inference",
    "library_classes",
    "loops_that_leave_out",
    "loops_that_miss",
    "loses_updates",
    "lost_flags",
    "lost_settings",
    "members",
    "method_of",
    "misnamed_flags",
    "misordered_weights",
    "misplaced_flags",
    "module_from_bytes",
    "momenta",
    "most_steps",
    "named_flag",
    "only_borrows",
    "outside_calls",
    "own_averages",
    "own_batch_statistics",
    "own_momenta",
    "parameters",
    "passes_flag_to_sublayers",
    "passes_flags_on",
    "penalized_out_of_sight",
    "penalties_through_batch_norm",
    "placed_flags",
    "predicted_untrained",
    "project_lineage",
    "read_module",
    "repeated_predictions",
    "replaced",
    "replacing_calls",
    "restored_in_training",
    "reused_layers",
    "sampled_through_batch_norm",
    "saved_without_statistics",
    "scaled_twice",
    "sets_format_elsewhere",
    "shared_by_inputs",
    "shared_updates",
    "sole_number",
    "steps_losing_flags",
    "takes_training",
    "teachers_in_training",
    "toggled_in_loops",
    "trainable_flags",
    "trained_in_evaluation",
    "trained_without_updates",
    "training_ops",
    "trains_layers",
    "true_defaults",
    "unadapted_normalizations",
    "uncalled_members",
    "unfed_nodes",
    "unflagged_in_estimators",
    "unflagged_in_sessions",
    "unflagged_of_tables",
    "unflagged_on_jax",
    "unpassed_flags",
    "unused_flags",
    "unused_results",
    "updates_left_behind",
    "updates_out_of_sight",
    "usage_of",
    "with_argument",
    "with_parameter",
    "without_flag",
    "worked_out_flags",
    "wrapped_calls",
    "wrong_phases",
]
