// What a generation cost, in one line for people.
#pragma once

#include <cstdint>
#include <string>

#include "sluice/engine.h"

namespace sluice {

// "96 tokens, 41.2 tokens/s; prompt 5 tokens, 210 tokens/s; 93.1 % hits, 1.20 MB/token, waiting 3 %". Figures
// that there is nothing to make of are left out.
std::string summary_of(const GenerationResult& result);

// What the disk did for it, for those who want to know more: "disk 1.85 GB/s for 62 % of the time, 4.1 reads
// in flight; read ahead 940 KB/token, 86 % of use". Empty when nothing was read.
std::string reading_summary_of(const GenerationResult& result);

// Tokens that went through the model one by one: the first new token comes from the prompt's own pass.
uint64_t decode_passes(const GenerationResult& result);

}  // namespace sluice
