#include "cli/find_model.h"

#include <cstdlib>

#include "base/fail.h"

namespace sluice {

ModelPlaces places_of_this_process(const std::string& option) {
  ModelPlaces places;
  places.option = option;
  if (const char* value = std::getenv("SLUICE_MODEL"); value != nullptr) places.environment = value;
  const std::filesystem::path model = "models/tiny-v4";
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    const auto folder = program.parent_path();
    places.installed.push_back((folder / "../share/sluice" / model).lexically_normal());
    places.installed.push_back((folder / "../.." / model).lexically_normal());  // build/<preset>/sluice
  }
  places.installed.push_back(std::filesystem::path(SLUICE_SOURCE_DIR) / model);
  return places;
}

Result<std::filesystem::path> find_model(const ModelPlaces& places) {
  if (!places.option.empty()) return places.option;
  if (!places.environment.empty()) return places.environment;
  std::string looked_at;
  for (const auto& folder : places.installed) {
    std::error_code error;
    if (std::filesystem::exists(folder / "config.json", error)) return folder;
    looked_at += "\n  " + folder.string();
  }
  return fail(ErrorCode::kNotFound,
              "no model was named and there is none at\n"
              "  $SLUICE_MODEL (not set){}\n"
              "name a checkpoint's folder with -m FOLDER",
              looked_at);
}

}  // namespace sluice
