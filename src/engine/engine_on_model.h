// For tests, and for whoever has chosen how experts are read: an engine upon a model that is loaded already.
#pragma once

#include <memory>

#include "engine/loaded_model.h"
#include "sluice/engine.h"

namespace sluice {

// What Engine::open does after LoadedModel::load. Errors of tokenizer.json and generation_config.json.
Result<std::unique_ptr<Engine>> engine_on_model(std::unique_ptr<LoadedModel> loaded);

}  // namespace sluice
