"""Audio deepfake detection, one folder per stage, in the order in which data flows:

data -> features -> models -> training -> evaluation -> execution -> demo
"""
