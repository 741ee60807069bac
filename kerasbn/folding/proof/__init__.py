"""The proof that folding changed nothing but rounding.

float64           the model in float64, where a wrong fold stands out
inputs            random inputs that fit a model
written           a check that the file holds what was meant
segments          the parts that folding changed
shapes            the shapes of their inputs
calling           a call of one layer, as its configuration says
running_segments  each segment on its own, before and after
whole             the whole model, before and after
verify            all of it
loaded            a model as it is used, with which an export is compared
"""
