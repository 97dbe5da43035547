// The tokenizer of a model's folder, without the model.
#pragma once

#include <string>

#include "text/tokenizer.h"

namespace sluice {

// Of the folder that `option` (-m) or its defaults mean. kNotFound when there is no tokenizer.json.
Result<Tokenizer> load_model_tokenizer(const std::string& option);

// "54 347 93", with a line break.
std::string ids_line(std::span<const int32_t> ids);

}  // namespace sluice
