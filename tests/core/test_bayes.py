from raydrive.core.bayes import BayesianParameterSampling
from raydrive.testing.samplers import SamplerContract


class TestGpContract(SamplerContract):
    def sampling(self, parameter_space, seed):
        return BayesianParameterSampling(parameter_space, seed=seed)


class TestTpeContract(SamplerContract):
    def sampling(self, parameter_space, seed):
        return BayesianParameterSampling(parameter_space, seed=seed, algorithm="tpe")
