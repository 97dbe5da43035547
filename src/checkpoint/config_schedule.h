// The part of config.json that says what kind each layer is. For config.cc.
#pragma once

#include "checkpoint/config.h"
#include "checkpoint/json_fields.h"

namespace sluice {

// Sets compress_ratios, mtp_compress_ratios and num_hash_layers. REQUIRES num_hidden_layers and
// num_nextn_predict_layers.
Status read_schedule(const JsonFields& fields, ModelConfig& config);

}  // namespace sluice
