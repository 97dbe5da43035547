#include "cli/load_tokenizer.h"

#include <fmt/ranges.h>

#include "cli/find_model.h"

namespace sluice {

Result<Tokenizer> load_model_tokenizer(const std::string& option) {
  SLUICE_ASSIGN(const auto folder, find_model(places_of_this_process(option)));
  return Tokenizer::load(folder / "tokenizer.json");
}

std::string ids_line(std::span<const int32_t> ids) {
  return fmt::format("{}\n", fmt::join(ids, " "));
}

}  // namespace sluice
