"""Builds: frontend (Dockerfile to plan), solver and cache (plan to layers), sources, exporters.

The parts meet only in the values of `model.build`; the solver knows no Dockerfile, the frontend
runs nothing, and none of them knows which protocol the build came by.
"""
