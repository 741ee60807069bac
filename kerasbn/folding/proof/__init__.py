"""The proof that folding changed nothing but rounding.

float64    the same model in float64, where a wrong fold stands out
inputs     random inputs that fit a model
segments   the parts that folding changed
running    each of them on its own, before and after
verify     all of it
live       a model as it is used, which an export is compared with
"""
