package example;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Message;
import com.google.protobuf.UnknownFieldSet;
import com.google.protobuf.util.JsonFormat;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import specula.v1.SpeculaOuterClass;

/** The golden bytes of the contract mean what their JSON says, and survive being encoded again. */
class WireTest {
  private static final Path WIRE = Path.of("../../../tests/testdata/wire");

  static List<Path> golden() throws IOException {
    try (Stream<Path> files = Files.list(WIRE)) {
      return files.filter(path -> path.toString().endsWith(".binpb")).sorted().toList();
    }
  }

  @Test
  void thereAreGoldenMessages() throws IOException {
    assertTrue(golden().size() > 50);
  }

  @ParameterizedTest
  @MethodSource("golden")
  void decodesAlike(Path path) throws Exception {
    String file = path.getFileName().toString();
    String name = file.substring(0, file.indexOf('.'));
    Message prototype =
        (Message)
            Class.forName(SpeculaOuterClass.class.getName() + "$" + name)
                .getMethod("getDefaultInstance")
                .invoke(null);
    byte[] bytes = Files.readAllBytes(path);
    Message decoded = prototype.getParserForType().parseFrom(bytes);
    assertArrayEquals(bytes, decoded.toByteArray());

    Message.Builder said = prototype.newBuilderForType();
    JsonFormat.parser()
        .merge(Files.readString(WIRE.resolve(file.replace(".binpb", ".json"))), said);
    UnknownFieldSet none = UnknownFieldSet.getDefaultInstance();
    assertEquals(said.build(), decoded.toBuilder().setUnknownFields(none).build());
  }
}
