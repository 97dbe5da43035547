// config.json as the releases spell it.
#pragma once

#include <string>

#include "checkpoint/config.h"

namespace sluice {

// The text of a config.json that parse_config() reads back as `config`. `expert_dtype`: "fp4" for MXFP4
// experts.
std::string config_json(const ModelConfig& config, const std::string& expert_dtype);

}  // namespace sluice
