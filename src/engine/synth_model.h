// Which tensors a synthetic model has, and of what values.
#pragma once

#include <vector>

#include "engine/synth.h"

namespace sluice {

// The configuration that the options describe. kInvalidArgument, naming the option.
Result<ModelConfig> synth_config(const SynthOptions& options);

// All tensors of such a model, layer by layer, embedding first and head last.
//
// Matrices give products of about unit variance from inputs of unit variance, so that activations neither
// vanish nor overflow in any number of layers. Three things make routing as uneven as a real model's:
// - Scored layers: gate products are about standard normal, and gate.bias makes expert popularity fall as
//   1 / rank^skew (synth_routing.h). Hash layers: tables drawn with the same popularity.
// - Topics: the embedding's rows share a part with a 64th of the vocabulary, and the head's rows look for
// that
//   part, so that sampled text keeps to a topic for a while.
// - Attention then sees a window of one topic, so that its output, and with it the router's input, changes
// slowly.
std::vector<SynthTensor> synth_tensors(const ModelConfig& config, const SynthOptions& options);

}  // namespace sluice
