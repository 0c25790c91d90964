"""EDM2 diffusion: network and preconditioning, loss, schedule, power-function EMA, solvers, trainer, stage.

Papers: Karras et al., *Analyzing and Improving the Training Dynamics of Diffusion Models* (arXiv 2312.02696) and
*Guiding a Diffusion Model with a Bad Version of Itself* (arXiv 2406.02507).
"""
