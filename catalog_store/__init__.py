"""What is remembered: reference catalogues as artefacts, their neighbours' index, and their export.

The room stands beside `simulation` and below `detector`.
"""
