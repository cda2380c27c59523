"""Running notebooks: the plan, parameters, the papermill runner, Kaggle kernels, the cells that notebooks share."""
