// Scratch memory of a forward pass: a stack of float32 arrays, reserved once for the largest chunk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/memory.h"
#include "sluice/result.h"

namespace sluice {

// One per model, used by the thread that runs the forward pass. Arrays live until the Scope they were taken
// in ends.
class Workspace {
 public:
  static Result<Workspace> create(uint64_t capacity_bytes);

  // Gives back everything that was taken since it was made.
  class Scope {
   public:
    explicit Scope(Workspace& workspace) : workspace_(workspace), used_bytes_(workspace.used_bytes_) {}
    ~Scope() { workspace_.used_bytes_ = used_bytes_; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Workspace& workspace_;
    size_t used_bytes_;
  };

  // `count` floats or indices, uninitialised, 64-byte aligned. A pass that takes more than was planned is a
  // bug in workspace_bytes(): the process stops with a message instead of overwriting anything.
  float* floats(size_t count);
  uint32_t* indices(size_t count);

  uint64_t capacity_bytes() const { return memory_.size_bytes(); }
  uint64_t peak_bytes() const { return peak_bytes_; }

 private:
  std::byte* take(size_t size_bytes);

  MappedMemory memory_;
  size_t used_bytes_ = 0;
  size_t peak_bytes_ = 0;
};

}  // namespace sluice
