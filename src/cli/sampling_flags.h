// The options that say how tokens are chosen.
#pragma once

#include <cstdint>
#include <optional>

#include "sluice/result.h"
#include "sluice/sampling.h"

namespace CLI {
class App;
}

namespace sluice {

// What was said on the command line; what was not is the model's own choice.
struct SamplingFlags {
  std::optional<double> temperature;
  std::optional<uint32_t> top_k;
  std::optional<double> top_p;
  std::optional<double> min_p;
  std::optional<uint64_t> seed;
  bool greedy = false;
};

// Declares --temperature, --top-k, --top-p, --min-p, --seed and --greedy. `flags` must live as long as `app`.
void add_sampling_flags(CLI::App& app, SamplingFlags& flags);

// kInvalidArgument, naming the option, for a value out of range: to be asked before a model is loaded.
Status check_flags(const SamplingFlags& flags);

// `defaults` with what was said. A seed that was not is drawn at random.
SamplingOptions apply_flags(const SamplingFlags& flags, SamplingOptions defaults);

}  // namespace sluice
