// The part of config.json that is about rotary embedding. For config.cc.
#pragma once

#include "checkpoint/config.h"
#include "checkpoint/json_fields.h"

namespace sluice {

// Sets qk_rope_head_dim, rope_theta, compress_rope_theta and yarn. REQUIRES head_dim.
Status read_rope(const JsonFields& fields, ModelConfig& config);

}  // namespace sluice
