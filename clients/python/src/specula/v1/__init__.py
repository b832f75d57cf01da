"""The contract as generated messages; protos/specula/v1/specula.proto says each field's unit and range.

`specula_pb2` is made when the package is built.
"""

from specula.v1.specula_pb2 import *  # noqa: F401,F403
