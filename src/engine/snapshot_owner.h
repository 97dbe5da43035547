// What a saved state depends on besides its tokens.
#pragma once

#include <string>

#include "engine/loaded_model.h"

namespace sluice {

// Differs wherever the same tokens might come to other bits: by the checkpoint's files, the numerics, the
// format of rows, the instructions in use, and the program, any build of which may compute otherwise than the
// one before. The first call reads the program's file.
std::string snapshot_owner(const LoadedModel& loaded);

}  // namespace sluice
