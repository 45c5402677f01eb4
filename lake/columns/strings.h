// Streams and string columns on their way between C++ and Python.
#pragma once

#include "lake/arrow_columns.h"
#include "lake/columns/numbers.h"

namespace baselake::columns {

// A coded stream, or one left plain for a text compressor to try its hand at.
struct Stream {
    bool plain;
    Bytes bytes;
};
using Streams = std::vector<Stream>;

inline pybind11::list to_python(const Streams& streams) {
    pybind11::list list;
    for (const Stream& stream : streams) list.append(pybind11::make_tuple(stream.plain, pybind11::bytes(stream.bytes)));
    return list;
}

// The streams of a block, in the order in which they were made.
class StreamReader {
  public:
    explicit StreamReader(const std::vector<std::string_view>& streams) : streams_(streams) {}
    std::string_view next() {
        if (at_ == streams_.size()) damaged("a block has too few streams");
        return streams_[at_++];
    }
    Numbers numbers() { return unpack_numbers(next()); }
    Bytes bytes() {
        Reader in(next());
        return unpack_bytes(in);
    }

  private:
    const std::vector<std::string_view>& streams_;
    size_t at_ = 0;
};

// One number after the other of a column, with a check.
class NumberReader {
  public:
    explicit NumberReader(Numbers&& numbers) : numbers_(std::move(numbers)) {}
    int64_t next() {
        if (at_ == numbers_.size()) damaged("a column ends early");
        return numbers_[at_++];
    }

  private:
    Numbers numbers_;
    size_t at_ = 0;
};

}  // namespace baselake::columns
