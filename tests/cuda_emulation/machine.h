// How a compiled .cu file tells the machine of its kernels.
#pragma once

#include <string>
#include <tuple>
#include <vector>

#include "cuda.h"

namespace emulated {

struct Kernel {
    std::string name, parameters;  // a letter each: p pointer, i int32, u uint32, l int64, f float, d double
    int launch_bounds;             // threads; 0: none told
    void (*call)(void** arguments);
};

std::vector<Kernel>& kernels();

template <typename T> constexpr char letter() {
    if constexpr (std::is_pointer_v<T>) return 'p';
    else if constexpr (std::is_same_v<T, float>) return 'f';
    else if constexpr (std::is_same_v<T, double>) return 'd';
    else if constexpr (std::is_integral_v<T> && sizeof(T) == 8) return 'l';
    else if constexpr (std::is_integral_v<T> && sizeof(T) == 4) return std::is_signed_v<T> ? 'i' : 'u';
    else static_assert(!sizeof(T), "a kernel's parameters are pointers and numbers");
}

template <auto Function, typename... Parameters> void call(void (*)(Parameters...), void** arguments) {
    [&]<size_t... I>(std::index_sequence<I...>) { Function(*static_cast<std::remove_const_t<Parameters>*>(arguments[I])...); }(std::index_sequence_for<Parameters...>{});
}

template <typename... Parameters> std::string letters(void (*)(Parameters...)) { return {letter<std::remove_const_t<Parameters>>()...}; }

template <auto Function> struct Registered {
    Registered(const char* name, int launch_bounds) {
        kernels().push_back({name, letters(Function), launch_bounds, [](void** arguments) { call<Function>(Function, arguments); }});
    }
};

}  // namespace emulated
