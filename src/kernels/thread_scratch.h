// Scratch memory of one thread's products.
#pragma once

#include <hwy/aligned_allocator.h>

#include <cstddef>

namespace sluice {

// Kept from one product to the next, so that what a thread takes can be planned: allocated anew for each, it
// stayed with the thread's allocator in pieces of every size there had been. For use as thread_local.
class ThreadScratch {
 public:
  // `count` floats, uninitialised, aligned to 64 bytes, until the next call.
  float* floats(size_t count) {
    if (count > count_) {
      floats_.reset();
      floats_ = hwy::AllocateAligned<float>(count);
      count_ = count;
    }
    return floats_.get();
  }

 private:
  hwy::AlignedFreeUniquePtr<float[]> floats_;
  size_t count_ = 0;
};

}  // namespace sluice
