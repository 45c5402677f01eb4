// Growable memory that is handed to Arrow without a copy.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace baselake::fastq {

class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { std::free(data_); }

  void append(const void* source, size_t bytes) {
    if (bytes == 0) return;
    if (size_ + bytes > capacity_) grow(size_ + bytes);
    std::memcpy(data_ + size_, source, bytes);
    size_ += bytes;
  }
  template <typename T>
  void push(T value) {
    append(&value, sizeof value);
  }
  void drop_front(size_t bytes) {
    std::memmove(data_, data_ + bytes, size_ - bytes);
    size_ -= bytes;
  }
  char* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }
  void grow(size_t needed) {
    const size_t capacity = std::max({needed, capacity_ * 2, size_t{4096}});
    void* moved = std::realloc(data_, capacity);
    if (moved == nullptr) throw std::bad_alloc();
    data_ = static_cast<char*>(moved);
    capacity_ = capacity;
  }

  char* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

// Least significant bit first, as Arrow has validity and booleans.
class Bits {
 public:
  void push(bool bit) {
    if (count_ % 8 == 0) bytes_.push<uint8_t>(0);
    if (bit) bytes_.data()[bytes_.size() - 1] |= static_cast<char>(1 << (count_ % 8));
    ++count_;
    set_ += bit;
  }
  size_t unset() const { return count_ - set_; }
  const Buffer& bytes() const { return bytes_; }

 private:
  Buffer bytes_;
  size_t count_ = 0;
  size_t set_ = 0;
};

}  // namespace baselake::fastq
