// What every coded stream is made of: bytes that grow, bytes that are read with care, and variable-length numbers.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

namespace baselake::columns {

using Bytes = std::string;

// The 7 bits of each byte, lowest first; a set high bit: more follow.
inline void put_number(Bytes& out, uint64_t value) {
    for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
    out.push_back(static_cast<char>(value));
}

inline void put_bytes(Bytes& out, std::string_view bytes) {
    put_number(out, bytes.size());
    out.append(bytes);
}

[[noreturn]] inline void damaged(const char* what) { throw std::invalid_argument(what); }

// Reads what the functions above wrote; throws where the bytes end early.
class Reader {
  public:
    explicit Reader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}
    bool done() const { return at_ == end_; }
    size_t left() const { return static_cast<size_t>(end_ - at_); }
    uint8_t byte() {
        if (at_ == end_) damaged("a stream ends early");
        return static_cast<uint8_t>(*at_++);
    }
    uint64_t number() {
        uint64_t value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            const uint8_t next = byte();
            value |= static_cast<uint64_t>(next & 0x7f) << shift;
            if (!(next & 0x80)) return value;
        }
        damaged("a number is too long");
    }
    std::string_view take(size_t bytes) {
        if (bytes > left()) damaged("a stream ends early");
        at_ += bytes;
        return {at_ - bytes, bytes};
    }
    std::string_view bytes() { return take(number()); }

  private:
    const char *at_, *end_;
};

inline uint64_t zigzag(int64_t value) { return static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63); }
inline int64_t unzigzag(uint64_t value) { return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1); }

}  // namespace baselake::columns
