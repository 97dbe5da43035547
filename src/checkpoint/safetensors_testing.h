// For tests only: writes checkpoint files, whole or broken, into a folder that goes away by itself.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/tensor.h"

namespace sluice::testing {

using namespace ::testing;  // tests say testing:: for GoogleTest's names too

// A new folder under the system's temporary one, removed with everything in it at the end.
class TempFolder {
 public:
  TempFolder() : path_((std::filesystem::temp_directory_path() / "sluice-test-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) path_.clear();
  }
  ~TempFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  std::filesystem::path path() const { return path_; }

  // Writes `text` to a file of that name and returns its path.
  std::filesystem::path write(const std::string& name, std::string_view text) const {
    std::filesystem::path file = path() / name;
    std::ofstream(file, std::ios::binary) << text;
    return file;
  }

 private:
  std::string path_;
};

inline std::string read_whole(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// A tensor to be written. Empty `bytes` stand for as many zeros as type and shape ask for.
struct TestTensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<uint64_t> shape;
  std::string bytes;
};

// A file of that header text, whatever it says, followed by that data.
inline std::string safetensors_file(std::string_view header, std::string_view data) {
  std::string file;
  for (size_t i = 0; i < 8; ++i) file.push_back(static_cast<char>(header.size() >> (8 * i) & 0xff));
  return file.append(header).append(data);
}

// A well-formed file: the tensors end to end in the order given.
inline std::string safetensors_file(const std::vector<TestTensor>& tensors) {
  std::string header = "{\"__metadata__\":{\"format\":\"pt\"}";
  std::string data;
  for (const TestTensor& tensor : tensors) {
    const TensorInfo info{tensor.name, tensor.dtype, tensor.shape, {}};
    const uint64_t begin = data.size();
    data.append(tensor.bytes.empty() ? std::string(info.elements() * dtype_size_bytes(tensor.dtype), '\0')
                                     : tensor.bytes);
    header += fmt::format(R"(,"{}":{{"dtype":"{}","shape":{},"data_offsets":[{},{}]}})", tensor.name,
                          dtype_name(tensor.dtype), describe_shape(tensor.shape), begin, data.size());
  }
  return safetensors_file(header + "}", data);
}

}  // namespace sluice::testing
