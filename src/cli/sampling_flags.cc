#include "cli/sampling_flags.h"

#include <CLI/CLI.hpp>
#include <random>

#include "engine/sampler.h"

namespace sluice {
namespace {

constexpr const char* kSamplingGroup = "Sampling (defaults: the model's own)";

uint64_t random_seed() {
  // 53 bits: every JSON reader takes them as they are.
  std::random_device device;
  return ((uint64_t{device()} << 32) | device()) >> 11;
}

}  // namespace

void add_sampling_flags(CLI::App& app, SamplingFlags& flags) {
  auto* temperature =
      app.add_option("--temperature", flags.temperature, "0 is greedy, 1 as trained, more is wilder");
  temperature->type_name("T")->group(kSamplingGroup);
  app.add_option("--top-k", flags.top_k, "only the K most likely tokens; 0: all")
      ->type_name("K")
      ->group(kSamplingGroup);
  app.add_option("--top-p", flags.top_p, "only the most likely tokens that reach P together")
      ->type_name("P")
      ->group(kSamplingGroup);
  app.add_option("--min-p", flags.min_p, "no token less likely than P times the likeliest")
      ->type_name("P")
      ->group(kSamplingGroup);
  app.add_option("--seed", flags.seed, "the same seed gives the same text")
      ->type_name("N")
      ->group(kSamplingGroup);
  app.add_flag("--greedy", flags.greedy, "always the likeliest token")
      ->excludes(temperature)
      ->group(kSamplingGroup);
}

Status check_flags(const SamplingFlags& flags) {
  return check_sampling(apply_flags(flags, {}));
}

SamplingOptions apply_flags(const SamplingFlags& flags, SamplingOptions defaults) {
  SamplingOptions sampling = defaults;
  if (flags.temperature) sampling.temperature = *flags.temperature;
  if (flags.greedy) sampling.temperature = 0;
  if (flags.top_k) sampling.top_k = *flags.top_k;
  if (flags.top_p) sampling.top_p = *flags.top_p;
  if (flags.min_p) sampling.min_p = *flags.min_p;
  sampling.seed = flags.seed ? *flags.seed : random_seed();
  return sampling;
}

}  // namespace sluice
